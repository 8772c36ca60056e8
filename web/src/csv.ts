// Numbers as CSV, to copy and to keep.
import { copy, element } from "./dom";

export type Cell = string | number | null | undefined;

const quoted = (cell: Cell): string => {
  const text = cell == null ? "" : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Rows as CSV (RFC 4180); what is missing is empty. */
export const csv = (rows: readonly (readonly Cell[])[]): string => `${rows.map((row) => row.map(quoted).join(",")).join("\n")}\n`;

/** A button that copies the rows and a link that keeps them as a file. */
export function csvLinks(rows: readonly (readonly Cell[])[], file: string): HTMLElement {
  const text = csv(rows);
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  return element(
    "p",
    { className: "row csv" },
    copyButton("Copy CSV", () => text),
    element("a", { href, download: file }, "CSV"),
  );
}

/** A button that copies a text, and says so only where it was possible. */
export function copyButton(title: string, text: () => string): HTMLButtonElement {
  const button = element("button", { type: "button" }, title);
  button.addEventListener("click", async () => {
    const done = await copy(text());
    button.textContent = done ? "Copied" : "Copying is not allowed";
    setTimeout(() => (button.textContent = title), 1600);
  });
  return button;
}
