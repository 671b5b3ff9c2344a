// The file that a Node worker runs. The first line on stdin says how to speak (`fd`, or `port` and `token`).
//
// It speaks the frames of `skykite_lambda.frames` with the process that runs it: is told which function, loads it, then
// runs one invocation after the other until the channel ends. Nothing here needs a package; Node 18 and later run it.
'use strict';

const fs = require('node:fs');
const net = require('node:net');

const PROTOCOL = 3;
const LARGEST_BODY = 64 * 1024 * 1024;
const KIND = {
  CONFIGURE: 1, INVOKE: 2,
  HELLO: 16, READY: 17, INIT_FAILED: 18, RESULT: 19, ERROR: 20, LEAVING: 24, FATAL: 25,
};

/** Frames on one stream socket. While an invocation runs, the socket does not count as something to wait for. */
class Channel {
  constructor(socket, receive) {
    this._socket = socket;
    this._receive = receive;
    this._pieces = [];
    this._length = 0;
    socket.on('data', (data) => this._feed(data));
    socket.on('error', () => process.reallyExit(0));
    socket.on('close', () => process.reallyExit(0));
  }

  send(kind, ...parts) {
    let length = 0;
    for (const part of parts) length += part.length;
    const head = Buffer.allocUnsafe(5);
    head.writeUInt8(kind, 0);
    head.writeUInt32BE(length, 1);
    this._socket.write(parts.length ? Buffer.concat([head, ...parts], length + 5) : head);
  }

  sendJson(kind, document) {
    this.send(kind, Buffer.from(JSON.stringify(document)));
  }

  /** Call `then` once everything is out. */
  flush(then) {
    this._socket.write(Buffer.alloc(0), then);
  }

  hold() {
    this._socket.ref();
  }

  release() {
    this._socket.unref();
  }

  _feed(data) {
    this._pieces.push(data);
    this._length += data.length;
    while (this._length >= 5) {
      if (this._pieces[0].length < 5) this._pieces = [Buffer.concat(this._pieces)];
      const kind = this._pieces[0].readUInt8(0);
      const length = this._pieces[0].readUInt32BE(1);
      if (length > LARGEST_BODY) process.reallyExit(1);
      if (this._length < 5 + length) return;
      const all = this._pieces.length === 1 ? this._pieces[0] : Buffer.concat(this._pieces);
      const rest = all.subarray(5 + length);
      this._pieces = rest.length ? [rest] : [];
      this._length = rest.length;
      this._receive(kind, all.subarray(5, 5 + length));
    }
  }
}

function readOrders() {
  let line = '';
  const piece = Buffer.alloc(4096);
  while (!line.endsWith('\n')) {
    const length = fs.readSync(0, piece);
    if (length === 0) process.reallyExit(0); // whoever started us is gone
    line += piece.toString('utf8', 0, length);
  }
  return JSON.parse(line);
}

function connect(orders) {
  if (orders.fd !== undefined) return new net.Socket({ fd: orders.fd, readable: true, writable: true });
  const socket = net.connect(orders.port, '127.0.0.1');
  socket.setNoDelay(true);
  socket.write(orders.token);
  return socket;
}

/** On Linux the kernel ends this process with its parent; elsewhere the end of stdin says that the parent is gone. */
function holdLifeline() {
  if (process.platform === 'linux') return;
  const lifeline = new net.Socket({ fd: 0, readable: true, writable: false });
  lifeline.on('close', () => process.reallyExit(0)).on('error', () => process.reallyExit(0));
  lifeline.resume();
  lifeline.unref();
}

function main() {
  const orders = readOrders();
  holdLifeline();
  if (orders.compile_cache) require('node:module').enableCompileCache?.(orders.compile_cache);
  const { Life } = require('./life.cjs');
  let life = null;
  const channel = new Channel(connect(orders), (kind, body) => {
    if (kind === KIND.CONFIGURE && life === null) {
      life = new Life(channel, KIND, JSON.parse(body.toString()));
      life.load();
    } else if (kind === KIND.INVOKE && life !== null) {
      life.invoke(body);
    } else {
      process.reallyExit(1);
    }
  });
  const hello = { protocol: PROTOCOL, pid: process.pid, node: process.versions.node };
  if (orders.inspect) {
    const inspector = require('node:inspector');
    inspector.open(0, '127.0.0.1');
    hello.inspector = inspector.url();
  }
  channel.sendJson(KIND.HELLO, hello);
}

main();
