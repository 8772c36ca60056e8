// Swagger UI, told where our description is and not to ask anybody else about it.
import { address } from "./common.js";

if (window.SwaggerUIBundle) {
  window.SwaggerUIBundle({
    url: address("api"),
    dom_id: "#swagger",
    deepLinking: true,
    docExpansion: "none",
    defaultModelsExpandDepth: -1,
    validatorUrl: null,
    presets: [window.SwaggerUIBundle.presets.apis],
  });
} else {
  document.getElementById("swagger").textContent = "The page's scripts are missing: run “npm ci” and “npm run build”.";
}
