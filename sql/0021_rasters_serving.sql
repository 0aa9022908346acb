-- Rasters: files that are served, and the STAC item of a build as its route tells it (a preview's is in no catalogue yet).
--   publication: {…, rasters: [{id, position, title, file, bytes, bbox, details: {raster, rendering}}]}

ALTER TABLE serving.routes ADD COLUMN item json;

CREATE TABLE serving.rasters (
  dataset_pk bigint NOT NULL,
  build bigint NOT NULL,
  raster_id text NOT NULL,
  position integer NOT NULL,
  title text NOT NULL,
  -- below the folder of served files
  file text NOT NULL,
  bytes bigint NOT NULL,
  bbox double precision[] CHECK (array_length(bbox, 1) = 4),
  -- what it is, and how it is shown
  details json NOT NULL,
  PRIMARY KEY (dataset_pk, build, raster_id),
  FOREIGN KEY (dataset_pk, build) REFERENCES serving.routes (dataset_pk, build) ON DELETE CASCADE
);
