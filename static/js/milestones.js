// Adding milestones without a page load, and their running total. Exact: decimals are added as integers.
"use strict";

const PLACES = 18n;

function parse(text) {
  // Commas only between whole groups of thousands, as the server reads them.
  const match = /^([1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.(\d{1,18}))?$/.exec(text.trim());
  return match ? BigInt(match[1].replaceAll(",", "")) * 10n ** PLACES + BigInt((match[2] || "").padEnd(18, "0")) : null;
}

function format(units) {
  const whole = (units / 10n ** PLACES).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  const places = (units % 10n ** PLACES).toString().padStart(18, "0").replace(/0+$/, "").padEnd(2, "0");
  return `${whole}.${places}`;
}

function left(row) { return !row.querySelector("input[name$=DELETE]")?.checked; }

function refresh(section) {
  const all = [...section.querySelectorAll("[data-milestone]")];
  const rows = all.filter(left);
  section.querySelectorAll("[data-milestone-title]").forEach((title) => {
    title.hidden = rows.length < 2;
  });
  // With one milestone there is nothing to leave out and no order to choose.
  section.querySelectorAll("[data-several]").forEach((part) => { part.hidden = all.length < 2; });
  all.forEach((row) => row.classList.toggle("left-out", !left(row)));
  const amounts = rows.map((row) => parse(row.querySelector("[data-amount]").value));
  const total = section.querySelector("[data-total]");
  total.hidden = amounts.every((amount) => amount === null);
  const sum = amounts.reduce((before, amount) => before + (amount ?? 0n), 0n);
  const token = section.querySelector("select[name=token]")?.selectedOptions[0]?.textContent.split(" ")[0] ?? "";
  total.querySelector("strong").textContent = `${format(sum)} ${token}`;
}

function add(section) {
  const count = document.getElementById("id_m-TOTAL_FORMS");
  const rows = section.querySelectorAll("[data-milestone]");
  const template = section.querySelector("template[data-milestone-template]");
  const holder = document.createElement("div");
  holder.innerHTML = template.innerHTML.replaceAll("__prefix__", count.value);
  const row = holder.firstElementChild;
  rows[rows.length - 1].after(row);
  row.querySelector("input[name$=deliver_at]").value = rows[rows.length - 1].querySelector("input[name$=deliver_at]").value;
  count.value = String(Number(count.value) + 1);
  refresh(section);
  row.querySelector("input:not([type=hidden])").focus();
}

for (const section of document.querySelectorAll("[data-milestones]")) {
  section.querySelector("[data-add-milestone]").addEventListener("click", (event) => {
    event.preventDefault();
    add(section);
  });
  section.addEventListener("input", () => refresh(section));
  refresh(section);
}
