import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";

export async function handler(event: APIGatewayProxyEventV2): Promise<APIGatewayProxyStructuredResultV2> {
  console.log(`${event.requestContext.http.method} ${event.rawPath}`);

  return {
    statusCode: 200,
    headers: { "content-type": "text/plain" },
    body: `Hello, World! The time in Lambda is ${event.requestContext.time}.`,
  };
}
