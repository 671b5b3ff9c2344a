// Find the user's handler as Lambda does, and say what is there if it is not.
'use strict';

const { pathToFileURL } = require('node:url');

const { Fault } = require('./failures.cjs');
const streaming = require('./streaming.cjs');

const CALLBACKS_GONE = 'ERROR: AWS Lambda has removed support for callback-based function handlers starting with '
  + 'Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. '
  + 'For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.';

/** The function, with what has to be known of it: `{ call, isAsync, isStreaming }`. Throws Faults, or what the module threw. */
async function loadHandler(config, callbacks) {
  streaming.install(config.environment);
  const module = await loadModule(config);
  const names = config.function.split('.');
  const found = names.reduce((value, name) => value?.[name], module);
  if (!found) {
    throw new Fault('Runtime.HandlerNotFound', `${config.handler} is undefined or not exported`, { hint: exportsHint(config, module) });
  }
  if (typeof found !== 'function') throw new Fault('Runtime.HandlerNotFound', `${config.handler} is not a function`);
  const isStreaming = streaming.isStreaming(found);
  if (isStreaming && streaming.streamingKind(found) !== 'response') {
    throw new Fault('Runtime.MalformedStreamingHandler', 'Only response streaming is supported.');
  }
  const isAsync = found.constructor?.name === 'AsyncFunction';
  if (!isStreaming && !callbacks && found.length >= 3) {
    throw new Fault('Runtime.CallbackHandlerDeprecated', CALLBACKS_GONE, {
      hint: `give \`${config.handler}\` two parameters, and return the result or a promise of it, or set runtime="nodejs22.x"`,
    });
  }
  return { call: found, isAsync, isStreaming, callbacks, highWaterMark: streaming.highWaterMark(found) };
}

async function loadModule(config) {
  try {
    return config.format === 'module' ? await import(pathToFileURL(config.file).href) : require(config.file);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Fault('Runtime.UserCodeSyntaxError', String(error), { cause: error });
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') {
      throw new Fault('Runtime.ImportModuleError', String(error), { cause: error, hint: missingHint(error) });
    }
    throw error;
  }
}

function exportsHint(config, module) {
  const names = Object.keys(module ?? {}).filter((name) => typeof module[name] === 'function' && name !== 'module.exports');
  if (!names.length) return `\`${config.source}\` exports no function`;
  const quoted = names.map((name) => `\`${name}\``);
  const listed = quoted.length === 1 ? quoted[0] : `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`;
  return `\`${config.source}\` exports ${listed}`;
}

function missingHint(error) {
  const found = /Cannot find (?:module|package) '([^']+)'/.exec(error.message);
  if (found === null) return undefined;
  if (/^[./]|^file:/.test(found[1])) return `there is no \`${found[1]}\``;
  const name = found[1].split('/').slice(0, found[1].startsWith('@') ? 2 : 1).join('/');
  return `\`npm install ${name}\` adds it to the project; its \`package.json\` has to name it, too`;
}

module.exports = { loadHandler };
