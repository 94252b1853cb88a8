// Blocks come only when a test mines them, as with anvil in the other suites.
module.exports = {
  networks: { hardhat: { chainId: 31337, mining: { auto: false, interval: 0 } } },
};
