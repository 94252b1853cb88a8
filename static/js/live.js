// Live pages: the socket only says "look again"; the page then fetches what its viewer may see.
// Without a socket the region's own trigger still asks every five seconds.
"use strict";

function lookAgain() {
  const region = document.getElementById("live");
  if (region && window.htmx) window.htmx.trigger(region, "refresh");
}

function connect(deal, pause) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws/deals/${deal}/`);
  let opened = false;
  socket.addEventListener("open", () => { opened = true; lookAgain(); });
  socket.addEventListener("message", lookAgain);
  socket.addEventListener("close", () => {
    setTimeout(connect, pause, deal, opened ? 1000 : Math.min(pause * 2, 60000));
  });
}

// What an earlier step reported is old news once the page shows the next one.
document.addEventListener("htmx:afterSwap", () => {
  document.querySelectorAll(".messages").forEach((messages) => messages.remove());
});

const holder = document.querySelector("[data-deal]");
if (holder && "WebSocket" in window) connect(holder.dataset.deal, 1000);
