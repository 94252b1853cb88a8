#!/usr/bin/env node
// Serves solc-js to forge as its compiler: answers --version and passes --standard-json through.
const fs = require("fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  process.stdout.write("solc, the solidity compiler commandline interface\nVersion: " + solc.version() + "\n");
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8")));
} else {
  process.stderr.write("solc.js answers only --version and --standard-json\n");
  process.exit(2);
}
