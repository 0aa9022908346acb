/// What the reasons of warnings mean, in words.
enum WarningText {
  static func of(_ reason: String) -> String { byReason[reason] ?? reason }

  private static let byReason = [
    "NULL_GEOMETRY": "features without a geometry",
    "EMPTY_GEOMETRY": "features with an empty geometry",
    "GEOMETRY_REPAIRED": "geometries made valid",
    "GEOMETRY_COLLAPSED": "geometries of which nothing was left when made valid",
    "ANTIMERIDIAN_SPLIT": "geometries split at the antimeridian",
    "DIMENSIONS_DROPPED": "geometries whose height or measure was dropped",
    "CURVES_LINEARIZED": "geometries whose curves were drawn as lines",
    "GEOMETRY_TAKEN_APART": "collections and surfaces stored as their points, lines or polygons",
    "COLUMNS_RENAMED": "columns with another name than in the source",
    "FID_REPLACED": "feature ids that were not unique; numbered anew",
    "LAYER_SKIPPED": "layers left out: they have no features",
    "NO_GEOMETRY": "layers without geometries, served as tables",
    "CRS_ASSUMED": "EPSG:4326 assumed, as all coordinates fit it",
    "CRS_FROM_REQUEST": "the coordinate reference system is the request's",
    "DATE_INVALID": "dates or times that do not exist, stored as null",
    "READER_REMARK": "remarks of the reader",
    "RECORD_REJECTED": "records that could not be stored",
    "ROW_RAGGED": "rows with more or fewer values than the header",
    "MOSTLY_NODATA": "rasters of which at least nine tenths are nothing",
    "FILE_REJECTED": "files of the collection that cannot be used",
    "LONGITUDES_SHIFTED":
      "rasters whose longitudes go beyond 180 degrees: counted from the antimeridian, no pixel moved",
    "NOT_A_NUMBER": "pixels that are no number, or infinite, shown as nothing",
  ]
}
