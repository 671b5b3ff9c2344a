// `awslambda.streamifyResponse`, with the answer collected: nobody in front of a local function takes it piece by piece.
'use strict';

const { Writable } = require('node:stream');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const HTTP_TYPE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = Buffer.alloc(8);

function install(environment) {
  if (['1', 'true'].includes(environment.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      return handler;
    },
    HttpResponseStream: {
      from(stream, prelude) {
        stream.setContentType(HTTP_TYPE);
        const text = JSON.stringify(prelude);
        stream._onBeforeFirstWrite = (writeRaw) => {
          writeRaw(text);
          writeRaw(PRELUDE_END);
        };
        return stream;
      },
    },
  };
}

/** What a streaming handler writes to. */
class CollectingStream extends Writable {
  constructor(highWaterMark) {
    super(highWaterMark ? { highWaterMark } : {});
    this.collected = [];
    this.contentType = 'application/octet-stream';
  }

  setContentType(type) {
    this.contentType = type;
  }

  _write(chunk, encoding, done) {
    this._begin();
    this.collected.push(Buffer.from(chunk));
    done();
  }

  _final(done) {
    this._begin();
    done();
  }

  _begin() {
    const before = this._onBeforeFirstWrite;
    this._onBeforeFirstWrite = undefined;
    if (typeof before === 'function') before((part) => this.collected.push(Buffer.from(part)));
  }

  /** The result, as the same answer given at once would be: for HTTP, an object with status, headers and body. */
  result() {
    const all = Buffer.concat(this.collected);
    const end = this.contentType === HTTP_TYPE ? all.indexOf(PRELUDE_END) : -1;
    if (end === -1) return all;
    const prelude = JSON.parse(all.subarray(0, end).toString() || '{}');
    const body = all.subarray(end + PRELUDE_END.length);
    const text = body.toString();
    const isText = Buffer.from(text).equals(body);
    const answer = { statusCode: 200, ...prelude, body: isText ? text : body.toString('base64') };
    return Buffer.from(JSON.stringify({ ...answer, isBase64Encoded: !isText }));
  }
}

module.exports = {
  install,
  CollectingStream,
  isStreaming: (handler) => handler[STREAMING] !== undefined && handler[STREAMING] !== null && handler[STREAMING] !== false,
  streamingKind: (handler) => handler[STREAMING],
  highWaterMark: (handler) => handler[HIGH_WATER_MARK],
};
