// One invocation: the event and the context that a handler gets, and what becomes of its answer.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html
'use strict';

const { Fault, NEVER_SETTLED } = require('./failures.cjs');
const { CollectingStream } = require('./streaming.cjs');

const RESULT_LIMIT = 6 * 1024 * 1024 + 100; // Lambda's, bytes
const INVOKE_ERROR = 'Invoke Error';
const CLOCK = Symbol.for('skykite.clock');

class Invocation {
  constructor(body, { config, handler, succeed, fail }) {
    const seconds = body.readDoubleBE(0);
    const idAt = 16;
    const traceAt = idAt + body.readUInt16BE(8);
    const clientAt = traceAt + body.readUInt16BE(10);
    const eventAt = clientAt + body.readUInt32BE(12);
    this.requestId = body.toString('utf8', idAt, traceAt);
    this._trace = body.toString('utf8', traceAt, clientAt);
    this._client = body.toString('utf8', clientAt, eventAt);
    this._event = body.toString('utf8', eventAt);
    this._config = config;
    this._handler = handler;
    this._succeed = succeed;
    this._fail = fail;
    this._answered = false;
    this._waits = true; // for an empty event loop, after a callback
    this._pending = undefined; // the answer that waits for it
    let deadline = Date.now() + seconds * 1000;
    this._remaining = () => (config.untimed ? seconds * 1000 : Math.max(0, Math.trunc(deadline - Date.now())));
    globalThis[CLOCK] = (heldMs) => { deadline += heldMs; };
  }

  run() {
    process.env._X_AMZN_TRACE_ID = this._trace;
    try {
      const event = JSON.parse(this._event);
      const context = this._context();
      if (this._handler.isStreaming) this._stream(event, context);
      else if (this._handler.callbacks) this._callWithCallback(event, context);
      else this._call(event, context);
    } catch (error) {
      this._fails(error);
    }
  }

  /** The event loop is empty, and the handler has not answered. */
  nothingLeft() {
    if (this._answered) return;
    if (this._pending !== undefined) this._succeeds(this._pending.result);
    else if (this._handler.callbacks && !this._handler.isAsync && !this._handler.isStreaming) this._succeeds(null);
    else this._fails(new Fault('Runtime.NodeJsExit', NEVER_SETTLED));
  }

  _call(event, context) {
    const { call } = this._handler;
    const result = call(event, context);
    if (typeof result?.then === 'function') result.then((value) => this._succeeds(value), (error) => this._fails(error));
    else this._succeeds(result);
  }

  _callWithCallback(event, context) {
    const { call } = this._handler;
    const result = call(event, context, (error, value) => {
      if (this._answered || this._pending !== undefined) return;
      if (error !== undefined && error !== null) this._fails(error);
      else if (this._waits) this._pending = { result: value };
      else this._succeeds(value);
    });
    if (typeof result?.then === 'function') result.then((value) => this._succeeds(value), (error) => this._fails(error));
  }

  async _stream(event, context) {
    const stream = new CollectingStream(this._handler.highWaterMark);
    try {
      const { call } = this._handler;
      const result = call(event, stream, context);
      if (typeof result?.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
      await result;
      if (!stream.writableEnded) throw new Error('Response stream is not finished.');
      if (!stream.writableFinished) await new Promise((done, failed) => stream.on('finish', done).on('error', failed));
      this._sends(stream.result());
    } catch (error) {
      this._fails(error);
    }
  }

  _succeeds(value) {
    if (this._answered) return;
    let text;
    try {
      text = JSON.stringify(value === undefined ? null : value) ?? 'null';
    } catch (error) {
      const name = this._handler.callbacks ? 'Error' : 'Runtime.JSONStringifyError';
      this._fails(new Fault(name, 'Unable to stringify response body', { hint: unserializableHint(value, error) }));
      return;
    }
    this._sends(Buffer.from(text));
  }

  _sends(data) {
    if (this._answered) return;
    if (data.length > RESULT_LIMIT) {
      const message = `Response payload size exceeded maximum allowed payload size (${RESULT_LIMIT} bytes).`;
      const hint = `the function returned ${data.length} bytes; put large results into a bucket and return a link`;
      this._fails(new Fault('Function.ResponseSizeTooLarge', message, { hint }));
      return;
    }
    this._answered = true;
    this._succeed(data);
  }

  _fails(error) {
    if (this._answered) return;
    this._answered = true;
    this._fail(error, INVOKE_ERROR);
  }

  _context() {
    const environment = process.env;
    const context = {};
    if (this._handler.callbacks) {
      const done = (error, value) => {
        if (this._pending !== undefined) return;
        if (error !== undefined && error !== null) this._fails(error);
        else this._succeeds(value);
      };
      const invocation = this;
      Object.defineProperty(context, 'callbackWaitsForEmptyEventLoop', {
        enumerable: true,
        configurable: true,
        get: () => invocation._waits,
        set: (value) => { invocation._waits = value; },
      });
      if (!this._handler.isStreaming) {
        context.succeed = (value) => done(null, value);
        context.fail = (error) => done(error ?? 'handled');
        context.done = done;
      }
    }
    return Object.assign(context, {
      functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
      functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
      memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
      clientContext: this._client ? JSON.parse(this._client) : undefined,
      identity: undefined,
      invokedFunctionArn: this._config.arn,
      awsRequestId: this.requestId,
      tenantId: undefined,
      getRemainingTimeInMillis: this._remaining,
    });
  }
}

/** Where in `value` is what JSON cannot hold. */
function unserializableHint(value, error) {
  const parents = [];
  const search = (item, path) => {
    if (typeof item === 'bigint') return `\`${path || 'the result'}\` is a BigInt: return a string, or \`Number(…)\``;
    if (item === null || typeof item !== 'object' || typeof item.toJSON === 'function') return undefined;
    if (parents.includes(item)) return `\`${path}\` leads back to what holds it: return a copy without the circle`;
    parents.push(item);
    for (const [name, inside] of Object.entries(item)) {
      const found = search(inside, Array.isArray(item) ? `${path}[${name}]` : path ? `${path}.${name}` : name);
      if (found !== undefined) return found;
    }
    parents.pop();
    return undefined;
  };
  try {
    return search(value, '') ?? String(error?.message ?? error);
  } catch {
    return undefined; // getters of the user's may do anything
  }
}

module.exports = { Invocation };
