"use strict";
// Swagger UI over the OpenAPI document the page names.
const place = document.getElementById("swagger");
window.SwaggerUIBundle({
  url: new URL(place.dataset.definition, location.href).href,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  validatorUrl: null,
});
