// ReDoc, without its search, which wants a script made on the fly.
import { address } from "./common.js";

const target = document.getElementById("redoc");
if (window.Redoc) {
  window.Redoc.init(address("api"), { disableSearch: true, hideDownloadButton: false }, target);
} else {
  target.textContent = "The page's scripts are missing: run “npm ci” and “npm run build”.";
}
