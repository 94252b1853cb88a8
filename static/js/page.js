// What every page gains where scripts run: copy buttons, the reader's own time, countdowns, links in tabs.
"use strict";

const own = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const ownDay = new Intl.DateTimeFormat("en-GB", { weekday: "long", hour: "2-digit", minute: "2-digit" });

function addOwnTime(element) {
  const at = new Date(element.dateTime);
  element.removeAttribute("data-instant");
  if (Number.isNaN(at.getTime()) || at.getTimezoneOffset() === 0) return;
  const sameDay = at.getDate() === at.getUTCDate();
  element.append(` (${(sameDay ? own : ownDay).format(at)} your time)`);
}

function words(seconds) {
  if (seconds <= 0) return "passed";
  for (const [size, word] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (seconds >= size * 2) return `in ${Math.floor(seconds / size)} ${word}s`;
  }
  if (seconds >= 60) return "in 1 minute";
  return seconds === 1 ? "in 1 second" : `in ${seconds} seconds`;
}

function tick() {
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const seconds = Math.floor((new Date(element.dateTime) - Date.now()) / 1000);
    const text = words(seconds);
    if (element.textContent !== text) element.textContent = text;
  }
}

async function copy(button) {
  const label = button.textContent;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1500);
}

function openTab(tab) {
  for (const other of tab.parentElement.querySelectorAll("[role=tab]")) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    const panel = document.getElementById(other.getAttribute("aria-controls"));
    panel.hidden = !chosen;
    if (chosen && "open" in panel) panel.open = true;
  }
}

function enhance(root) {
  root.querySelectorAll("[data-instant]").forEach(addOwnTime);
  root.querySelectorAll("[data-copy][hidden]").forEach((button) => { button.hidden = !navigator.clipboard; });
  for (const list of root.querySelectorAll("[role=tablist][hidden]")) {
    list.hidden = false;
    openTab(list.querySelector("[role=tab]"));
  }
  tick();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  const tab = event.target.closest("[role=tab]");
  if (tab) openTab(tab);
  if (event.target.closest("[data-print]")) window.print();
});
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (!tab || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  const next = event.key === "ArrowRight" ? tab.nextElementSibling : tab.previousElementSibling;
  if (next) { openTab(next); next.focus(); }
});
// One click, one request: a form that was sent cannot be sent again by a second click.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.dataset.sent) { event.preventDefault(); return; }
  if (event.target.method === "post") event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
});
document.addEventListener("htmx:load", (event) => enhance(event.target));
document.addEventListener("DOMContentLoaded", () => {
  enhance(document);
  document.querySelector(".error-summary")?.focus();
});
setInterval(tick, 1000);
