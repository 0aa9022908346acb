-- `tiles`: map tiles of the low zooms that were drawn beforehand, an MBTiles file.
ALTER TABLE serving.rasters DROP CONSTRAINT rasters_role_check;
ALTER TABLE serving.rasters ADD CONSTRAINT rasters_role_check CHECK (role IN ('overview', 'tiles'));
