-- Scenes of a mosaic: found by place, each with its STAC item. `role` is NULL for what is served itself, `overview` for a small picture
-- of all scenes.

ALTER TABLE serving.rasters ADD COLUMN role text CHECK (role = 'overview');
ALTER TABLE serving.rasters ADD COLUMN item json;
