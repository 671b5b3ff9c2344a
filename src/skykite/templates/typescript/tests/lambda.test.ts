import assert from "node:assert/strict";
import { test } from "node:test";

import type { APIGatewayProxyEventV2 } from "aws-lambda";

import { handler } from "../src/lambda.ts";

test("hello tells the time", async () => {
  const event = {
    rawPath: "/",
    requestContext: { http: { method: "GET" }, time: "12/Mar/2026:19:03:58 +0000" },
  } as APIGatewayProxyEventV2;

  const response = await handler(event);

  assert.equal(response.statusCode, 200);
  assert.equal(response.body, "Hello, World! The time in Lambda is 12/Mar/2026:19:03:58 +0000.");
});
