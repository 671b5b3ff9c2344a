// What a debugger's session belongs to: a process with nothing in it, which outlives every worker. It says where its
// inspector is, and ends with its parent.
'use strict';

const inspector = require('node:inspector');

process.title = 'kite';
inspector.open(0, '127.0.0.1');
process.stdout.write(`${inspector.url()}\n`);
process.stdin.on('end', () => process.reallyExit(0)).resume();
