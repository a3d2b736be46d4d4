"use strict";
// Copy buttons, and the filter of the matrix. The page says everything without it.

for (const button of document.querySelectorAll("button[data-copies]")) {
  button.addEventListener("click", async () => {
    const pre = document.getElementById(button.dataset.copies);
    let copied = false;
    try {
      await navigator.clipboard.writeText(pre.textContent);
      copied = true;
    } catch {
      // From a file, a browser may have no clipboard: then the text is selected, to be copied by hand.
      const range = document.createRange();
      range.selectNodeContents(pre);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

const ops = document.getElementById("filter-ops");
const laws = document.getElementById("filter-laws");
const table = document.getElementById("laws");
const filtered = document.getElementById("filtered");

function count(n, what) {
  return n === 1 ? `${n} ${what}` : `${n} ${what}s`;
}

function filter() {
  const op = ops.value.trim().toLowerCase();
  const law = laws.value.trim().toLowerCase();
  let rows = 0;
  for (const row of table.querySelectorAll("tr[data-op]")) {
    row.hidden = !row.dataset.op.toLowerCase().includes(op);
    if (!row.hidden) rows += 1;
  }
  const shown = new Set();
  for (const cell of table.querySelectorAll("[data-law]")) {
    cell.hidden = !cell.dataset.law.toLowerCase().includes(law);
    if (!cell.hidden) shown.add(cell.dataset.law);
  }
  filtered.textContent = op || law ? `${count(rows, "operation")}, ${count(shown.size, "law")}` : "";
}

if (table) {
  ops.addEventListener("input", filter);
  laws.addEventListener("input", filter);
  document.querySelector("form.filters").addEventListener("submit", (event) => event.preventDefault());
}
for (const link of document.querySelectorAll("td.broken a")) {
  link.addEventListener("click", () => {
    document.getElementById(link.getAttribute("href").slice(1)).focus();
  });
}
