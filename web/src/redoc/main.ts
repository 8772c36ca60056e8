// ReDoc, without its search, which wants a script made on the fly.
import { by } from "../dom";
import { address } from "../page";

interface ReDoc {
  init(url: string, options: Readonly<Record<string, unknown>>, target: HTMLElement, done: () => void): void;
}

const { Redoc: redoc } = window as unknown as { Redoc?: ReDoc };
const target = by("redoc");

/** Says to who hears the page that headings of parameters stand one below those of operations, as they look. */
function level(): void {
  for (const title of target.querySelectorAll("h5:not([aria-level])")) title.setAttribute("aria-level", "3");
}

if (redoc) {
  redoc.init(address("api"), { disableSearch: true, hideDownloadButton: false }, target, () => {
    level();
    // what is opened later has headings too
    new MutationObserver(level).observe(target, { childList: true, subtree: true });
  });
} else target.textContent = "The page's scripts are missing: run “npm ci” and “npm run build”.";
