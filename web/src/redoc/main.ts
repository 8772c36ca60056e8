// ReDoc, without its search, which wants a script made on the fly.
import { by } from "../dom";
import { address } from "../page";

interface ReDoc {
  init(url: string, options: Readonly<Record<string, unknown>>, target: HTMLElement): void;
}

const { Redoc: redoc } = window as unknown as { Redoc?: ReDoc };
const target = by("redoc");
if (redoc) redoc.init(address("api"), { disableSearch: true, hideDownloadButton: false }, target);
else target.textContent = "The page's scripts are missing: run “npm ci” and “npm run build”.";
