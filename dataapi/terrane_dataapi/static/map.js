"use strict";
// The map of a dataset, a collection or one feature. Everything comes from this server: a plain outline of the land,
// and the dataset's own vector tiles.
function draw(place) {
  const config = JSON.parse(place.dataset.map);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const absolute = (url) => new URL(url, location.href).href
    .replaceAll("%7Bz%7D", "{z}").replaceAll("%7Bx%7D", "{x}").replaceAll("%7By%7D", "{y}");

  const PALETTE = ["#0b8a72", "#c2571a", "#5b5bd6", "#b3317c", "#7a8c12", "#1c7fb8", "#a8791b", "#8e44ad"];
  const PAPER = {
    light: { sea: "#dfe9ee", land: "#f6f4ee", coast: "#b9c7cc", grid: "#cfdce2", halo: "#ffffff" },
    dark: { sea: "#101a20", land: "#1d2a2f", coast: "#3a4d55", grid: "#1b2930", halo: "#0b1115" },
  };
  const colourOf = (index) => PALETTE[index % PALETTE.length];
  const POLYGON = ["==", ["geometry-type"], "Polygon"];
  const LINE = ["==", ["geometry-type"], "LineString"];
  const POINT = ["==", ["geometry-type"], "Point"];

  function graticule() {
    const lines = [];
    for (let lon = -180; lon <= 180; lon += 20) lines.push([[lon, -85], [lon, 85]]);
    for (let lat = -80; lat <= 80; lat += 20) lines.push([[-180, lat], [180, lat]]);
    return { type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: lines } };
  }

  // Five layers for whatever geometry a source has; `only` restricts them to chosen features.
  function dataLayers(source, colour, paper, { tiled, only = null, strong = false }) {
    const within = (kind) => (only ? ["all", kind, only] : kind);
    const at = tiled ? { source, "source-layer": "default" } : { source };
    const name = (part) => `${source}:${strong ? "strong-" : ""}${part}`;
    const line = strong ? "#ffb000" : colour;
    return [
      { id: name("fill"), type: "fill", ...at, filter: within(POLYGON),
        paint: { "fill-color": line, "fill-opacity": strong ? 0.45 : 0.28 } },
      { id: name("outline"), type: "line", ...at, filter: within(POLYGON), layout: { "line-join": "round" },
        paint: { "line-color": line, "line-opacity": 0.9,
          "line-width": ["interpolate", ["linear"], ["zoom"], 0, strong ? 1.6 : 0.7, 8, strong ? 2.6 : 1.2, 16, 3] } },
      { id: name("line-casing"), type: "line", ...at, filter: within(LINE), layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": paper.halo, "line-opacity": 0.6,
          "line-width": ["interpolate", ["linear"], ["zoom"], 0, 2, 8, 4, 16, 8] } },
      { id: name("line"), type: "line", ...at, filter: within(LINE), layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": line,
          "line-width": ["interpolate", ["linear"], ["zoom"], 0, strong ? 2.4 : 1.1, 8, strong ? 4 : 2.2, 16, 5] } },
      { id: name("point"), type: "circle", ...at, filter: within(POINT),
        paint: { "circle-color": line, "circle-opacity": 0.9, "circle-stroke-color": paper.halo,
          "circle-radius": ["interpolate", ["linear"], ["zoom"], 0, strong ? 5 : 2.4, 6, strong ? 7 : 4.5, 14, 8],
          "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 0, 0.5, 6, 1.2] } },
    ];
  }

  function style() {
    const paper = dark.matches ? PAPER.dark : PAPER.light;
    const sources = {
      land: { type: "geojson", data: absolute(`${config.root}static/land.geojson?v=${config.version}`) },
      grid: { type: "geojson", data: graticule() },
    };
    // The outline is a coarse one: near the ground it would be wrong, so it fades into plain paper.
    const fading = ["interpolate", ["linear"], ["zoom"], 5, 1, 7.5, 0];
    const ground = ["interpolate", ["linear"], ["zoom"], 5, paper.sea, 7.5, paper.land];
    const layers = [
      { id: "sea", type: "background", paint: { "background-color": ground } },
      { id: "grid", type: "line", source: "grid", paint: { "line-color": paper.grid, "line-width": 0.7, "line-opacity": fading } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": paper.land, "fill-opacity": fading } },
      { id: "coast", type: "line", source: "land", paint: { "line-color": paper.coast, "line-width": 0.8, "line-opacity": fading } },
    ];
    if (config.feature) {
      sources.feature = { type: "geojson", data: absolute(config.feature) };
      layers.push(...dataLayers("feature", colourOf(0), paper, { tiled: false }));
      return { version: 8, sources, layers };
    }
    for (const raster of config.rasters || []) {
      // A box over the antimeridian comes in two halves: a source's bounds cannot go round the globe.
      raster.extents.forEach((extent, half) => {
        const id = half ? `${raster.id}-${half}` : raster.id;
        sources[id] = { type: "raster", tiles: [absolute(raster.tiles)], tileSize: raster.tileSize, maxzoom: 22, bounds: extent };
        layers.push({ id, type: "raster", source: id, paint: { "raster-fade-duration": 0 } });
      });
    }
    const NONE = ["==", ["get", "fid"], -1];
    // Areas below lines below points, whatever the order of the collections.
    const rank = (layer) => (/polygon/i.test(layer.geometry) ? 0 : /line/i.test(layer.geometry) ? 1 : 2);
    const drawn = config.layers.map((layer, index) => ({ layer, index })).sort((a, b) => rank(a.layer) - rank(b.layer));
    for (const { layer, index } of drawn) {
      sources[layer.id] = { type: "vector", tiles: [absolute(layer.tiles)], minzoom: 0, maxzoom: 16 };
      layers.push(...dataLayers(layer.id, colourOf(index), paper, { tiled: true }));
    }
    for (const { layer, index } of drawn) {
      layers.push(...dataLayers(layer.id, colourOf(index), paper, { tiled: true, only: NONE, strong: true }));
    }
    return { version: 8, sources, layers };
  }

  function bounds(box) {
    const [west, south, far, north] = box || [-180, -60, 180, 75];
    const east = far < west ? far + 360 : far;
    const clamp = (lat) => Math.max(-80, Math.min(84, lat));
    // A single point has no extent to fit.
    const grow = east - west < 0.002 && north - south < 0.002 ? 0.01 : 0;
    return [[west - grow, clamp(south) - grow], [east + grow, clamp(north) + grow]];
  }

  // Data all over the world fills the frame with one world instead of shrinking it until the poles fit.
  function view(box) {
    if (box && box[2] - box[0] > 300) return { center: [10, 24], zoom: Math.log2(Math.max(place.clientWidth, 512) / 512) };
    return { bounds: bounds(box), fitBoundsOptions: { padding: 36, maxZoom: 15 } };
  }

  const map = new maplibregl.Map({
    container: place,
    style: style(),
    ...view(config.bbox),
    attributionControl: false,
    renderWorldCopies: true,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    cooperativeGestures: false,
    maxPitch: 0,
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.FullscreenControl(), "top-right");
  map.addControl(new maplibregl.ScaleControl({ maxWidth: 110 }), "bottom-left");
  // For tests, and for whoever tries things in the console.
  place.map = map;
  map.once("idle", () => { place.dataset.ready = "yes"; });
  map.on("error", (event) => console.warn("map:", event.error && event.error.message));

  if (config.feature) {
    fetch(absolute(config.feature)).then((answer) => answer.json()).then((feature) => {
      const box = [Infinity, Infinity, -Infinity, -Infinity];
      const walk = (part) => {
        if (typeof part[0] === "number") {
          box[0] = Math.min(box[0], part[0]); box[1] = Math.min(box[1], part[1]);
          box[2] = Math.max(box[2], part[0]); box[3] = Math.max(box[3], part[1]);
        } else part.forEach(walk);
      };
      if (feature.geometry && feature.geometry.coordinates) walk(feature.geometry.coordinates);
      if (box[0] <= box[2]) map.fitBounds(bounds(box), { padding: 50, maxZoom: 7, animate: false });
    });
    return;
  }

  // A number with no more digits than its type has; whole numbers have all of theirs.
  const short = (value, digits) => String(Number.isInteger(value) ? value : Number(value.toPrecision(digits)));

  // What the colours of a single band stand for.
  function ramp({ low, high, unit, colours }) {
    const box = document.createElement("div");
    box.className = "ramp";
    const bar = document.createElement("i");
    bar.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
    const text = (value) => Object.assign(document.createElement("span"), { textContent: value });
    box.append(text(short(low, 4)), bar, text(`${short(high, 4)} ${unit}`.trim()));
    place.parentElement.append(box);
  }

  // The values under a place, as text.
  async function values(raster, at) {
    const answer = await fetch(absolute(`${raster.point}${at.lng.toFixed(7)},${at.lat.toFixed(7)}`));
    if (!answer.ok) return;
    const told = await answer.json();
    // Of a mosaic: of the uppermost scene.
    const found = told.assets ? told.assets[0] : told;
    const box = document.createElement("div");
    box.className = "popup";
    const table = document.createElement("table");
    found.values.forEach((value, index) => {
      const row = table.insertRow();
      const head = document.createElement("th");
      const band = raster.bands[index];
      head.textContent = band.name;
      row.append(head);
      row.insertCell().textContent = value === null ? "nothing" : `${short(value, 7)} ${band.unit}`.trim();
    });
    box.append(table);
    new maplibregl.Popup({ maxWidth: "300px", focusAfterOpen: false }).setLngLat(at).setDOMContent(box).addTo(map);
  }
  if (config.rasters) {
    if (config.rasters[0].legend) ramp(config.rasters[0].legend);
    const within = (at) => config.rasters[0].extents.some(([west, south, east, north]) =>
      at.lng >= west && at.lng <= east && at.lat >= south && at.lat <= north);
    map.on("click", (event) => {
      const at = event.lngLat.wrap();
      if (within(at)) values(config.rasters[0], at);
    });
    map.on("mousemove", (event) => { map.getCanvas().style.cursor = within(event.lngLat.wrap()) ? "crosshair" : ""; });
    dark.addEventListener("change", () => map.setStyle(style()));
    return;
  }

  const clickable = () => config.layers.flatMap((layer) => ["point", "line", "fill"].map((part) => `${layer.id}:${part}`))
    .filter((id) => map.getLayer(id));
  const featuresAt = (point) => {
    const near = [[point.x - 4, point.y - 4], [point.x + 4, point.y + 4]];
    return map.queryRenderedFeatures(near, { layers: clickable() });
  };

  function select(feature) {
    for (const layer of config.layers) {
      const chosen = feature && feature.source === layer.id ? ["==", ["get", "fid"], feature.properties.fid] : ["==", ["get", "fid"], -1];
      for (const [part, kind] of [["fill", POLYGON], ["outline", POLYGON], ["line-casing", LINE], ["line", LINE], ["point", POINT]]) {
        map.setFilter(`${layer.id}:strong-${part}`, ["all", kind, chosen]);
      }
    }
  }

  // Attributes come from the data: they are only ever set as text.
  function attributes(feature) {
    const layer = config.layers.find((one) => one.id === feature.source);
    const box = document.createElement("div");
    box.className = "popup";
    const heading = document.createElement("h3");
    heading.textContent = layer.title;
    const table = document.createElement("table");
    for (const [name, value] of Object.entries(feature.properties)) {
      const row = table.insertRow();
      const head = document.createElement("th");
      head.textContent = name;
      row.append(head);
      row.insertCell().textContent = typeof value === "object" ? JSON.stringify(value) : String(value);
    }
    box.append(heading);
    if (feature.properties.fid !== undefined) {
      // Above the attributes: a long list of them scrolls.
      const more = document.createElement("a");
      more.href = layer.items + encodeURIComponent(feature.properties.fid);
      more.textContent = "Whole feature →";
      box.append(more);
    }
    box.append(table);
    return box;
  }

  map.on("click", (event) => {
    const [feature] = featuresAt(event.point);
    select(feature);
    if (!feature) return;
    new maplibregl.Popup({ maxWidth: "340px", closeButton: true, focusAfterOpen: false })
      .setLngLat(event.lngLat).setDOMContent(attributes(feature)).addTo(map).on("close", () => select(null));
  });
  map.on("mousemove", (event) => {
    map.getCanvas().style.cursor = featuresAt(event.point).length ? "pointer" : "";
  });
  dark.addEventListener("change", () => map.setStyle(style()));

  if (config.layers.length > 1) {
    const legend = document.createElement("div");
    legend.className = "legend";
    config.layers.forEach((layer, index) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      const swatch = document.createElement("i");
      swatch.style.background = colourOf(index);
      box.addEventListener("change", () => {
        for (const { id } of map.getStyle().layers) {
          if (id.startsWith(`${layer.id}:`)) map.setLayoutProperty(id, "visibility", box.checked ? "visible" : "none");
        }
      });
      label.append(box, swatch, document.createTextNode(layer.title));
      legend.append(label);
    });
    place.parentElement.append(legend);
  }
}

// Only when its frame has been laid out: a map made before keeps the size that MapLibre assumes.
// A collection without geometry has no map.
for (const place of document.querySelectorAll("[data-map]")) {
  new ResizeObserver((_, observer) => {
    if (!place.clientWidth || !place.clientHeight) return;
    observer.disconnect();
    draw(place);
  }).observe(place);
}
