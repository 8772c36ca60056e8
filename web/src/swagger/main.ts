// Swagger UI, told where our description is and not to ask anybody else about it.
import { by } from "../dom";
import { address } from "../page";
import { isDark, onTheme } from "../theme";

interface SwaggerUI {
  (options: Readonly<Record<string, unknown>>): void;
  readonly presets: { readonly apis: unknown };
}

const { SwaggerUIBundle: swagger } = window as unknown as { SwaggerUIBundle?: SwaggerUI };
if (swagger) {
  const dress = (dark: boolean): void => void document.documentElement.classList.toggle("dark-mode", dark);
  dress(isDark());
  onTheme(dress);
  swagger({
    onComplete: () => label(by("swagger")),
    url: address("api"),
    dom_id: "#swagger",
    deepLinking: true,
    docExpansion: "none",
    defaultModelsExpandDepth: -1,
    validatorUrl: null,
    presets: [swagger.presets.apis],
  });
} else {
  by("swagger").textContent = "The page's scripts are missing: run “npm ci” and “npm run build”.";
}

/** Says to who cannot see it what Swagger UI says by its looks alone. */
function label(page: HTMLElement): void {
  page.querySelector("#servers")?.setAttribute("aria-label", "Server");
  for (const [selector, name] of [[".information-container", "About the API"], [".scheme-container", "Servers"]] as const) {
    const part = page.querySelector(selector);
    part?.setAttribute("role", "region");
    part?.setAttribute("aria-label", name);
  }
  for (const title of page.querySelectorAll("h3.opblock-tag")) title.setAttribute("aria-level", "2");
}
