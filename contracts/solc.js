#!/usr/bin/env node
// Serves solc-js to forge as its compiler: answers --version and passes --standard-json through.
const fs = require("fs");

if (process.argv.includes("--version")) {
  // From the package alone: forge asks whenever it starts, and the compiler takes half a second to load.
  const { version } = require("solc/package.json");
  process.stdout.write("solc, the solidity compiler commandline interface\nVersion: " + version + "\n");
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(require("solc").compile(fs.readFileSync(0, "utf8")));
} else {
  process.stderr.write("solc.js answers only --version and --standard-json\n");
  process.exit(2);
}
