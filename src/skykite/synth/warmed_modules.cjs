// Loaded into the CDK's Node before anything else (`node --require`), when the next run is to be faster than this one.
//
// In: a file in `KITE_KERNEL_MODULES`, a JSON list of module files relative to `node_modules`; it need not exist. What is
// in it is loaded as soon as the packages are, so that no construct waits for it. Out: the same file, with what was
// loaded in this run, when Node ends. A name that is not there any more, or does not load, is passed over: whoever
// needs it will load it, or be told why not.
"use strict";

const fs = require("fs");
const { isMainThread } = require("worker_threads");
const Module = require("module");
const path = require("path");

const MARK = `${path.sep}node_modules${path.sep}`;
const file = process.env.KITE_KERNEL_MODULES;
const waits = process.env.KITE_KERNEL_WAITS !== undefined; // nobody needs this process yet
delete process.env.KITE_KERNEL_MODULES;
delete process.env.KITE_KERNEL_WAITS;

let wanted = new Map(); // package → its files
try {
  for (const name of JSON.parse(fs.readFileSync(file, "utf8"))) {
    const parts = name.split("/");
    const owner = parts.slice(0, name.startsWith("@") ? 2 : 1).join("/");
    wanted.set(owner, [...(wanted.get(owner) ?? []), name]);
  }
} catch {
  wanted = new Map();
}

function relative(loaded) {
  const at = loaded.indexOf(MARK);
  return at < 0 ? undefined : loaded.slice(at + MARK.length).split(path.sep).join("/");
}

function loadAhead() {
  if (wanted.size === 0) return;
  const homes = new Map(); // package → the `node_modules` it was loaded from
  for (const loaded of Object.keys(Module._cache)) {
    const name = relative(loaded);
    for (const owner of wanted.keys()) {
      if (name?.startsWith(`${owner}/`)) homes.set(owner, loaded.slice(0, loaded.indexOf(MARK) + MARK.length));
    }
  }
  for (const [owner, home] of homes) {
    for (const name of wanted.get(owner)) {
      try {
        Module._load(path.join(home, name), null, false);
      } catch {}
    }
    wanted.delete(owner);
  }
  if (waits && wanted.size === 0) giveMemoryBack();
  setImmediate(loadAhead); // between two requests
}

// What loading took and nobody uses: a fifth of the process.
function giveMemoryBack() {
  try {
    require("v8").setFlagsFromString("--expose-gc");
    const collect = require("vm").runInNewContext("gc");
    for (let turn = 0; turn < 2; turn += 1) collect({ type: "major", execution: "sync", flavor: "last-resort" });
  } catch {}
}

function keepNames() {
  const names = Object.keys(Module._cache).map(relative).filter((name) => name !== undefined);
  try {
    fs.writeFileSync(`${file}.${process.pid}`, JSON.stringify(names));
    fs.renameSync(`${file}.${process.pid}`, file);
  } catch {}
}

if (isMainThread && file !== undefined) {
  // A worker that jsii starts is told to load this as well, and knows of no file.
  setImmediate(loadAhead);
  process.on("exit", keepNames);
}
