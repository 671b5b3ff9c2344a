// Failures as Lambda's Node runtime words them: the document that callers get, and for people the frames of their code.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html
'use strict';

const path = require('node:path');
const util = require('node:util');

const OWN = __dirname + path.sep;
const FRAME = /^\s+at /;

const NEVER_SETTLED = 'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused '
  + 'by a Promise that was never settled. For more information, see '
  + 'https://nodejs.org/docs/latest/api/process.html#exit-codes';

/** A failure that the runtime itself finds; `name` is Lambda's `errorType`. */
class Fault extends Error {
  constructor(name, message, { cause, hint } = {}) {
    super(message);
    Object.defineProperty(this, 'name', { value: name });
    Object.defineProperty(this, 'hint', { value: hint });
    const frames = String((typeof cause?.stack === 'string' ? cause : this).stack).split('\n').filter((one) => FRAME.test(one));
    this.stack = [`${name}: ${message}`, ...frames].join('\n');
  }
}

function looksLikeError(value) {
  return util.types.isNativeError(value) || value instanceof Error ||
    (value && ['name', 'message', 'stack'].every((key) => value[key] && typeof value[key] === 'string'));
}

/** Of a stack, everything above the first frame of this folder's, without what is inside of Node. */
function userLines(stack) {
  const lines = stack.split('\n');
  const own = lines.findIndex((line) => FRAME.test(line) && line.includes(OWN));
  const above = own === -1 ? lines : lines.slice(0, own);
  return above.filter((line) => !(FRAME.test(line) && line.includes('node:internal/')));
}

function documentOf(error) {
  try {
    if (looksLikeError(error)) {
      const trace = userLines(String(error.stack ?? ''));
      return { errorType: error.name, errorMessage: error.message, trace };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage: 'the error that the function failed with cannot be read: its name, message or stack throws',
      trace: [],
    };
  }
}

/** What is written into the log of a function: `label` says what happened. */
function logLine(label, error, document, requestId) {
  let text;
  try {
    text = JSON.stringify(looksLikeError(error) ? {
      errorType: error.name, errorMessage: error.message, code: error.code, ...error,
      stack: document.trace,
    } : document);
  } catch {
    text = JSON.stringify(document);
  }
  return `${new Date().toISOString()}\t${requestId || 'undefined'}\tERROR\t${label} \t${text}\n`;
}

/** The error as a document of `skykite_lambda.frames`. */
function describe(error, label, requestId) {
  const document = documentOf(error);
  const trace = document.trace.filter((line) => FRAME.test(line)).map((line) => line + '\n');
  let hint = null;
  try {
    hint = error instanceof Fault && error.hint ? error.hint : null;
  } catch {
    // a proxy may do anything
  }
  return {
    type: String(document.errorType),
    message: String(document.errorMessage),
    trace,
    hint,
    document: JSON.stringify(document),
    log: logLine(label, error, document, requestId),
  };
}

/** The first frame of the user's in the present stack, as `file:line`; null if there is none. */
function userFrame(projectRoot, from) {
  const here = {};
  Error.captureStackTrace(here, from);
  const line = userLines(here.stack).find((one) => FRAME.test(one) && !one.includes('node:'));
  const found = line && /\(?((?:file:\/\/)?[^()]+):(\d+):\d+\)?$/.exec(line.replace(FRAME, '').replace(/^.*\(/, '('));
  if (!found) return null;
  const file = found[1].replace(/^file:\/\//, '');
  const inside = path.relative(projectRoot, file);
  return `${inside.startsWith('..') ? file : inside.split(path.sep).join('/')}:${found[2]}`;
}

module.exports = { Fault, NEVER_SETTLED, describe, userFrame };
