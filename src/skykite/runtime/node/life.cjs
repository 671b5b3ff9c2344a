// A worker's life: take on one function, load it, then run one invocation after the other.
//
// Semantics are those of Lambda's Node runtimes, whichever Node runs this: up to nodejs22.x a handler may take a
// callback, and what is left in the event loop holds back the answer; from nodejs24.x on it returns, or a promise does.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html
'use strict';

const fs = require('node:fs');

const output = require('./output.cjs');
const { Fault, NEVER_SETTLED, describe, userFrame } = require('./failures.cjs');
const { loadHandler } = require('./handlers.cjs');
const { Invocation } = require('./invocation.cjs');

const FIRST_WITHOUT_CALLBACKS = 24;
const EXIT_UNCAUGHT = 129;
const EXIT_UNHANDLED = 128;
const MEMORY_EVERY_MS = 50;

class Life {
  constructor(channel, kind, config) {
    this._channel = channel;
    this._kind = kind;
    this._config = config;
    this._handler = null;
    this._current = null;
    this._most = 0;
    this._measured = -Infinity;
    this._leaving = false;
  }

  async load() {
    const config = this._config;
    setEnvironment(config.environment);
    output.install(config.nonce, config.environment);
    this._watchForEnds();
    this._channel.release();
    try {
      process.chdir(config.task_root);
      process.argv.splice(1);
      process.setSourceMapsEnabled?.(true);
      if (config.wait) require('node:inspector').waitForDebugger();
      const callbacks = majorOf(config.environment.AWS_EXECUTION_ENV) < FIRST_WITHOUT_CALLBACKS;
      this._handler = await loadHandler(config, callbacks);
    } catch (error) {
      this._failInit(error, 'Init Error');
      return;
    }
    this._channel.hold();
    const observed = `{"packages":[${loadedPackages().map(withStat).join(',')}]}`;
    this._channel.send(this._kind.READY, Buffer.from(`{"observed":${observed},"debugged":${Boolean(config.wait)}}`));
  }

  invoke(body) {
    this._channel.release();
    this._current = new Invocation(body, {
      config: this._config,
      handler: this._handler,
      succeed: (result) => this._answer(this._kind.RESULT, result),
      fail: (error, label) => this._answer(this._kind.ERROR, this._describe(error, label)),
    });
    output.setRequestId(this._current.requestId);
    this._current.run();
  }

  _describe(error, label) {
    return Buffer.from(JSON.stringify(describe(error, label, this._current?.requestId)));
  }

  _answer(kind, payload) {
    this._current = null;
    this._channel.hold();
    if (this._config.end_mark) output.passMark();
    const head = Buffer.allocUnsafe(8);
    head.writeUInt32BE(this._memory(), 0);
    head.writeUInt32BE(0, 4);
    this._channel.send(kind, head, payload);
  }

  /** The most memory ever used, in KB. */
  _memory() {
    const now = performance.now();
    if (now - this._measured >= MEMORY_EVERY_MS) {
      this._measured = now;
      this._most = Math.max(this._most, Math.ceil(process.memoryUsage.rss() / 1024));
    }
    return this._most;
  }

  // How a process ends before its time

  _watchForEnds() {
    process.on('uncaughtException', (error) => this._fatal(error, 'Uncaught Exception', EXIT_UNCAUGHT));
    process.on('unhandledRejection', (reason) => {
      const error = new Fault('Runtime.UnhandledPromiseRejection', textOf(reason), { cause: reason });
      this._fatal(error, 'Unhandled Promise Rejection', EXIT_UNHANDLED);
    });
    process.on('beforeExit', () => {
      if (this._handler === null) {
        const hint = 'the module awaits, at its top, what nothing will ever settle';
        this._failInit(new Fault('Runtime.NodeJsExit', NEVER_SETTLED, { hint }), 'Init Error');
      } else {
        this._current?.nothingLeft();
      }
    });
    const exit = process.exit;
    process.exit = (code) => {
      this._tellWhoLeaves(process.exit);
      return exit.call(process, code);
    };
  }

  _tellWhoLeaves(from) {
    if (this._leaving) return;
    this._leaving = true;
    const place = userFrame(this._config.project_root, from);
    if (place !== null) {
      const hint = `\`${place}\` ends the process with \`process.exit\`: return, or throw an error, instead`;
      this._channel.sendJson(this._kind.LEAVING, { hint });
    }
  }

  _fatal(error, label, status) {
    if (this._leaving) return;
    if (this._handler === null) {
      this._failInit(error, label, status);
      return;
    }
    this._leaving = true;
    if (this._current !== null) {
      this._answer(this._kind.FATAL, this._describe(error, label));
    } else {
      process.stderr.write(`${label}: ${require('node:util').inspect(error)}\n`);
    }
    this._channel.flush(() => process.reallyExit(status));
  }

  _failInit(error, label, status = 1) {
    if (this._leaving) return;
    this._leaving = true;
    this._channel.sendJson(this._kind.INIT_FAILED, { error: describe(error, label, ''), observed: {} });
    this._channel.hold();
    this._channel.flush(() => process.reallyExit(status));
  }
}

function textOf(reason) {
  try {
    return String(reason);
  } catch {
    return 'a value that cannot be shown';
  }
}

function setEnvironment(environment) {
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  for (const [name, value] of Object.entries(environment)) if (process.env[name] !== value) process.env[name] = value;
}

function majorOf(executionEnvironment) {
  const found = /^AWS_Lambda_nodejs(\d+)\./.exec(executionEnvironment ?? '');
  return found ? Number(found[1]) : FIRST_WITHOUT_CALLBACKS;
}

/** The `package.json` of each installed package that code came from. */
function loadedPackages() {
  const found = new Set();
  for (const file of Object.keys(require.cache)) {
    const inside = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(file);
    if (inside !== null) found.add(`${inside[1]}/package.json`);
  }
  return [...found];
}

/** JSON of a path and its stat, whose times are larger than JavaScript's own numbers hold. */
function withStat(file) {
  const stat = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  const shown = stat ? `[${stat.mtimeNs},${stat.ctimeNs},${stat.size},${stat.ino}]` : 'null';
  return `[${JSON.stringify(file)},${shown}]`;
}

module.exports = { Life };
