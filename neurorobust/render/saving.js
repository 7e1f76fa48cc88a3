const named = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 40).replace(/^-|-$/g, "");
const save = (name, type, text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const offer = (place, label, make) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.addEventListener("click", make);
  place.append(button);
};
const plain = (text) => text.replace(/\s+/g, " ").trim();
// A cell's own words apart from the small print below them.
const main = (cell) => {
  const copy = cell.cloneNode(true);
  copy.querySelectorAll("small").forEach((small) => small.remove());
  return plain(copy.textContent);
};
const small = (cell) => [...cell.querySelectorAll("small:not(.count)")].map((s) => plain(s.textContent));
const number = (text) => (/^[−-]?[\d\u202f]+([.]\d+)?$/.test(text) ? text.replace("−", "-").replaceAll("\u202f", "") : text);
// The rows that the filters leave, in the order they stand in.
const shown = (table) => [...table.tBodies[0].rows].filter((row) => !row.hidden);
const csv = (table) => {
  const rows = shown(table);
  const heads = [...table.tHead.rows[0].cells].map((head) => plain(head.textContent));
  const rates = heads.map((_, i) => rows.some((row) => row.cells[i]?.dataset.interval));
  const wide = heads.map((_, i) => !rates[i] && rows.some((row) => row.cells[i] && small(row.cells[i]).length));
  const lines = [heads.flatMap((head, i) =>
    rates[i] ? [head, `${head} low`, `${head} high`, `${head} count`, `${head} n`] : wide[i] ? [head, `${head} remark`] : [head])];
  for (const row of rows) {
    lines.push(heads.flatMap((_, i) => {
      const cell = row.cells[i];
      if (rates[i]) {
        if (!cell?.dataset.interval) return ["", "", "", "", ""];
        const ends = cell.dataset.interval.split("–").map((end) => +(end / 100).toFixed(6));
        return [cell.dataset.value, ...ends, ...cell.dataset.counts.split("/")];
      }
      const text = cell ? number(main(cell)) : "";
      return [text === "–" ? "" : text, ...(wide[i] ? [cell ? small(cell).join("; ") : ""] : [])];
    }));
  }
  const quoted = (text) => (/[",\n]/.test(text) ? `"${String(text).replaceAll('"', '""')}"` : String(text));
  return lines.map((line) => line.map(quoted).join(",") + "\n").join("");
};
const TEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "–": "--", "−": "$-$", "ε": "$\\varepsilon$", "∞": "$_\\infty$", "µ": "$\\mu$", "±": "$\\pm$", "·": "$\\cdot$", "×": "$\\times$", "\u202f": "\\,", "\u00a0": "~", "’": "'", "…": "\\ldots{}" };
const tex = (text) => text.replace(/[&%$#_{}\\~^–−ε∞µ±·×\u202f\u00a0’…]/g, (sign) => TEX[sign] ?? `\\${sign}`);
const latex = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  const line = (cells) => `${cells.join(" & ")} \\\\`;
  const cell = (own) => {
    const told = small(own).map(tex);
    return tex(main(own)) + (told.length ? ` {\\footnotesize (${told.join("; ")})}` : "");
  };
  return [
    `% ${plain(table.caption.textContent)}; needs \\usepackage{booktabs}`,
    `\\begin{tabular}{${heads.map((head) => (head.classList.contains("num") ? "r" : "l")).join("")}}`,
    "\\toprule",
    line(heads.map((head) => tex(plain(head.textContent)))),
    "\\midrule",
    ...shown(table).map((row) => line(heads.map((_, i) => (row.cells[i] ? cell(row.cells[i]) : "")))),
    "\\bottomrule",
    "\\end{tabular}",
    "",
  ].join("\n");
};
const svg = (drawing) => {
  const copy = drawing.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const text = new XMLSerializer().serializeToString(copy);
  return text.replace(/var\(--([\w-]+)\)/g, (_, name) => LIGHT[name] ?? "sans-serif");
};
for (const place of document.querySelectorAll(".table")) {
  const table = place.querySelector("table");
  const name = named(table.caption.textContent);
  const tools = document.createElement("p");
  tools.className = "save";
  offer(tools, "CSV", () => save(`${name}.csv`, "text/csv", csv(table)));
  offer(tools, "LaTeX", () => save(`${name}.tex`, "application/x-tex", latex(table)));
  place.append(tools);
}
for (const tools of document.querySelectorAll("figure .save")) {
  const drawing = tools.parentElement.querySelector("svg");
  const name = tools.querySelector("a").download.replace(/pdf$/, "svg");
  offer(tools, "SVG", () => save(name, "image/svg+xml", svg(drawing)));
}
