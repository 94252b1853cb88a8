#!/usr/bin/env node
// Compiles contracts again and again in one process, each time with one file replaced: a fresh compiler costs seconds, a
// mutant only what its code costs. A line of JSON in, a line out: the creation codes of `targets` ("file:contract"), or
// why the compiler refused.
const fs = require("fs");
const path = require("path");
const readline = require("readline");

const root = path.resolve(process.argv[2]);
const solc = require(path.join(root, "node_modules", "solc"));
const mapped = (name) => name.replace(/^@openzeppelin\//, "node_modules/@openzeppelin/");
const load = (name) => fs.readFileSync(path.join(root, mapped(name)), "utf8");

function compile({ targets, replaced, text, settings }) {
  const find = (name) => ({ contents: name === replaced ? text : load(name) });
  const pairs = targets.map((target) => target.split(":"));
  const sources = Object.fromEntries(pairs.map(([file]) => [file, { content: find(file).contents }]));
  const outputSelection = Object.fromEntries(pairs.map(([file, name]) => [file, { [name]: ["evm.bytecode.object"] }]));
  const input = { language: "Solidity", sources, settings: { ...settings, outputSelection } };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }));
  const refused = (output.errors || []).find((problem) => problem.severity === "error");
  if (refused) return { refused: refused.message };
  return { codes: pairs.map(([file, name]) => output.contracts[file][name].evm.bytecode.object) };
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(compile(JSON.parse(line))) + "\n");
});
