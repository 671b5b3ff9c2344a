// What a function prints, on its way out: whole and at once, so that what was printed is out even if the process dies
// next. Descriptors 1 and 2 are one pipe; what goes to stderr is enclosed in marks that name the stream.
'use strict';

const fs = require('node:fs');
const util = require('node:util');

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const METHODS = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR' };
const state = { before: null, after: null, passed: null, requestId: '' };

function writeWhole(descriptor, data) {
  let at = 0;
  while (at < data.length) {
    try {
      at += fs.writeSync(descriptor, data, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') return; // whoever read it is gone
    }
  }
}

/** Write text under the name of a stream. */
function write(stream, data) {
  if (stream === 'stderr' && state.before !== null) data = Buffer.concat([state.before, data, state.after]);
  writeWhole(stream === 'stderr' ? 2 : 1, data);
}

function patchStream(name) {
  const inherited = Object.getOwnPropertyDescriptor(process, name);
  let stream;
  Object.defineProperty(process, name, {
    configurable: true,
    enumerable: true,
    get() {
      if (stream === undefined) {
        stream = inherited.get.call(process);
        stream.write = (chunk, encoding, callback) => {
          if (typeof encoding === 'function') [callback, encoding] = [encoding, undefined];
          write(name, typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk));
          if (typeof callback === 'function') process.nextTick(callback);
          return true;
        };
      }
      return stream;
    },
  });
}

/** `LogFormat: JSON`: one object a line. https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html */
function jsonLine(level, values) {
  const record = { timestamp: new Date().toISOString(), level, requestId: state.requestId };
  const failure = values.find((value) => value instanceof Error);
  if (values.length === 1) {
    try {
      return JSON.stringify({ ...record, message: values[0] }, (_, value) =>
        value instanceof Error ? { ...asFields(value), ...value } : value);
    } catch {
      return JSON.stringify({ ...record, message: util.format(values[0]) });
    }
  }
  return JSON.stringify({ ...record, message: util.format(...values), ...(failure ? asFields(failure) : {}) });
}

function asFields(error) {
  const stack = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  return { errorType: error.constructor?.name ?? 'UnknownError', errorMessage: error.message, stackTrace: stack };
}

function patchConsole(environment) {
  const json = (environment.AWS_LAMBDA_LOG_FORMAT ?? '').toUpperCase() === 'JSON';
  const least = Math.max(0, LEVELS.indexOf((environment.AWS_LAMBDA_LOG_LEVEL ?? '').toUpperCase()));
  for (const [method, level] of Object.entries(METHODS)) {
    if (LEVELS.indexOf(level) < least) {
      console[method] = () => {};
    } else if (json) {
      console[method] = (...values) => write('stdout', Buffer.from(jsonLine(level, values) + '\n'));
    } else if (method === 'trace') {
      console.trace = (...values) => {
        const trace = { name: 'Trace', message: util.format(...values) };
        Error.captureStackTrace(trace, console.trace);
        console.error(trace.stack);
      };
    }
  }
  console.fatal = json ? (...values) => write('stdout', Buffer.from(jsonLine('FATAL', values) + '\n')) : console.error;
}

/** From here on output is the function's. `nonce` is what marks are made of. */
function install(nonce, environment) {
  state.before = Buffer.from(`\0${nonce}(`);
  state.after = Buffer.from(`\0${nonce})`);
  state.passed = Buffer.from(`\0${nonce}!`);
  patchStream('stdout');
  patchStream('stderr');
  patchConsole(environment);
}

module.exports = {
  install,
  /** Tell the reader that what was printed until now has passed. */
  passMark: () => writeWhole(1, state.passed),
  /** Name the invocation that what is logged belongs to. */
  setRequestId: (id) => { state.requestId = id; },
};
