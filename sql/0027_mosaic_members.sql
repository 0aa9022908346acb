-- Mosaics over datasets that are served: their builds are held (0026) from the moment the mosaic is planned.

-- The type follows the request: a try that failed may have been of another.
UPDATE datasets.datasets SET dataset_type = spec->>'type' WHERE dataset_type <> spec->>'type';

-- Holds the builds that are served now of the rasters a mosaic is made of. One that is not served, or is no raster, is left out:
-- the step that reads them names it. Locked, so that a delete that is under way is not passed by, and waits itself. Where a row is
-- locked already the statement fails rather than waits (it runs among others that are not to wait), and is run again.
CREATE FUNCTION datasets.hold_members(mosaic bigint, operation bigint, member_keys bytea[]) RETURNS void LANGUAGE sql AS $$
  INSERT INTO coremachine.holds (holder, holder_operation, position, subject, operation_id)
    SELECT mosaic, operation, k.n, d.pk, d.published_build
    FROM unnest(member_keys) WITH ORDINALITY AS k (key, n) JOIN datasets.datasets d ON d.key = k.key
    WHERE d.state IN ('PUBLISHED', 'DEPRECATED') AND d.dataset_type IN ('raster', 'raster_collection')
    FOR SHARE OF d NOWAIT
    ON CONFLICT DO NOTHING;
$$;

-- The rasters a mosaic is made of, for the task that lays them together. Of a build that was replaced or withdrawn since it was held
-- there is a row without a raster.
CREATE VIEW serving.member_rasters AS
SELECT h.holder_operation AS operation_id, h.position, r.position AS raster_position, r.raster_id, r.file, r.bytes, r.details,
  coalesce(r.item, o.item) AS item
FROM coremachine.holds h
LEFT JOIN (serving.routes o JOIN serving.rasters r ON r.dataset_pk = o.dataset_pk AND r.build = o.build AND r.role IS NULL)
  ON o.dataset_pk = h.subject AND o.build = h.operation_id AND o.preview_token_sha256 IS NULL
WHERE h.until IS NULL;
GRANT SELECT ON serving.member_rasters TO terrane_task;

-- Who is built on a dataset. `living`: those only that are served or being made, not those that are deleted and can come back.
CREATE FUNCTION datasets.dependents(member bigint, living boolean)
RETURNS TABLE (namespace text, dataset_id text, resource_id text, version_id text, state text) LANGUAGE sql STABLE AS $$
  SELECT DISTINCT d.namespace, d.dataset_id, d.resource_id, d.version_id, d.state
  FROM coremachine.holds h JOIN datasets.datasets d ON d.pk = h.holder
  WHERE h.subject = member AND h.until IS NULL
    AND d.state NOT IN ('PURGING', 'PURGED') AND NOT (living AND d.state = 'DELETED')
  ORDER BY 1, 2, 3, 4;
$$;

-- A build that came to nothing holds nothing.
CREATE FUNCTION datasets.end_preview(dataset bigint, operation bigint) RETURNS void LANGUAGE sql AS $$
  DELETE FROM coremachine.holds WHERE holder = dataset AND holder_operation = operation;
  DELETE FROM serving.routes WHERE dataset_pk = dataset AND build = operation AND preview_token_sha256 IS NOT NULL;
$$;
