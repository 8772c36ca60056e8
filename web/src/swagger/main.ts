// Swagger UI, told where our description is and not to ask anybody else about it.
import { by } from "../dom";
import { address } from "../page";

interface SwaggerUI {
  (options: Readonly<Record<string, unknown>>): void;
  readonly presets: { readonly apis: unknown };
}

const { SwaggerUIBundle: swagger } = window as unknown as { SwaggerUIBundle?: SwaggerUI };
if (swagger) {
  swagger({
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
