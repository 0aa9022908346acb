/// The stable reasons of dataset tasks' problems and warnings. The one table with category, remedy and text for people is
/// in Datasets; this is the plain list of words that handlers use.
public enum Reason: String, Sendable, Codable, CaseIterable {
  // MARK: Sources

  /// No file or folder at the source's address.
  case sourceNotFound = "SOURCE_NOT_FOUND"
  /// The file is there but the operating system user of the worker may not read it; the message names that user.
  case sourceUnreadable = "SOURCE_UNREADABLE"
  /// The address, after symbolic links are resolved, is not under an allowed root.
  case sourceOutsideRoots = "SOURCE_OUTSIDE_ROOTS"
  /// The scheme of the address is not served (yet).
  case sourceSchemeUnsupported = "SOURCE_SCHEME_UNSUPPORTED"
  /// Datasets a mosaic is to be made of are not served, or no rasters; which is in the details.
  case membersNotReady = "MEMBERS_NOT_READY"
  /// The address is no valid URL of its scheme.
  case sourceInvalid = "SOURCE_INVALID"
  /// The file has no bytes.
  case sourceEmpty = "SOURCE_EMPTY"
  /// The file is not what its format says it is, or is damaged.
  case sourceCorrupt = "SOURCE_CORRUPT"
  /// The file ends before its format says it does.
  case sourceTruncated = "SOURCE_TRUNCATED"
  /// A part of the source is missing, for instance the .dbf of a shapefile.
  case sourceIncomplete = "SOURCE_INCOMPLETE"
  /// The source changed after it was pinned.
  case sourceChanged = "SOURCE_CHANGED"
  /// Another program is writing to the source (a GeoPackage with an unmerged write-ahead log).
  case sourceInUse = "SOURCE_IN_USE"
  /// More bytes than this format's reader can hold in memory.
  case sourceTooLarge = "SOURCE_TOO_LARGE"
  /// The archive's entries escape it, contradict each other, are encrypted, or it grows too much when unpacked.
  case archiveRefused = "ARCHIVE_REFUSED"
  /// The archive holds several datasets, or none.
  case archiveAmbiguous = "ARCHIVE_AMBIGUOUS"

  // MARK: Formats

  /// No reader for this format.
  case formatUnsupported = "FORMAT_UNSUPPORTED"
  /// A format that is refused on purpose because it can point at other data (VRT and friends).
  case formatRefused = "FORMAT_REFUSED"

  // MARK: Layers and coordinates

  /// The source has no layer of that name; `details` has the layers it has.
  case layerNotFound = "LAYER_NOT_FOUND"
  /// Several layers of the source have one name; `details` has the layers.
  case layerAmbiguous = "LAYER_AMBIGUOUS"
  /// More layers than one request may hold.
  case tooManyLayers = "TOO_MANY_LAYERS"
  /// The layer has no features.
  case noFeatures = "NO_FEATURES"
  /// The layer has no geometry; `details` has the columns that could be coordinates.
  case noGeometry = "NO_GEOMETRY"
  /// A geometry of another kind than its layer declares.
  case mixedGeometry = "MIXED_GEOMETRY"
  /// A geometry type that is neither points nor lines nor areas.
  case geometryUnsupported = "GEOMETRY_UNSUPPORTED"
  /// One geometry is over the limit of bytes.
  case geometryTooLarge = "GEOMETRY_TOO_LARGE"
  /// Neither the source nor the request says which coordinate reference system the coordinates are in.
  case crsMissing = "CRS_MISSING"
  /// Source and request name different coordinate reference systems.
  case crsConflict = "CRS_CONFLICT"
  /// The requested coordinate reference system is unknown, or cannot be transformed to EPSG:4326.
  case crsInvalid = "CRS_INVALID"
  /// A coordinate is outside longitude ±540, latitude ±90 degrees, or is not a number, or cannot be transformed.
  case coordinatesOutOfRange = "COORDINATES_OUT_OF_RANGE"
  /// The longitude/latitude or WKT text of a row is no geometry.
  case coordinatesInvalid = "COORDINATES_INVALID"

  // MARK: Records

  /// More columns than a table can hold.
  case tooManyColumns = "TOO_MANY_COLUMNS"
  /// Text that is not in the encoding it claims.
  case encodingError = "ENCODING_ERROR"
  /// A null geometry where the request says that is a failure.
  case nullGeometryRefused = "NULL_GEOMETRY_REFUSED"
  /// Features announced, features read and rows stored are not equally many.
  case countMismatch = "COUNT_MISMATCH"
  /// The reader failed on a record.
  case readError = "READ_ERROR"

  // MARK: Rasters

  /// More tiles than a raster may have.
  case rasterTooLarge = "RASTER_TOO_LARGE"
  /// More bands than a raster may have.
  case tooManyBands = "TOO_MANY_BANDS"
  /// Pixels of a type that cannot be shown (complex numbers).
  case pixelTypeUnsupported = "PIXEL_TYPE_UNSUPPORTED"
  /// The file does not say where its pixels lie.
  case notGeoreferenced = "NOT_GEOREFERENCED"
  /// At least 99 % of the pixels are nothing.
  case rasterEmpty = "RASTER_EMPTY"
  /// More files than a collection may have.
  case tooManyFiles = "TOO_MANY_FILES"
  /// Files of a collection that cannot be used, where the request allows none.
  case filesRejected = "FILES_REJECTED"
  /// Files of a collection that do not agree in bands, types, reference system or resolution.
  case collectionMismatch = "COLLECTION_MISMATCH"
  /// An option that does not suit the data, such as JPEG for heights.
  case optionUnsuitable = "OPTION_UNSUITABLE"

  // MARK: Storing and verifying

  /// The database refused or lost a statement.
  case databaseError = "DATABASE_ERROR"
  /// No space left for the database or for scratch files.
  case diskFull = "DISK_FULL"
  /// What is served is not what was loaded.
  case verifyFailed = "VERIFY_FAILED"
  /// The data API did not answer.
  case dataAPIUnavailable = "DATA_API_UNAVAILABLE"

  // MARK: The task itself

  /// The supervisor asked the task to stop.
  case cancelled = "CANCELLED"
  /// The child needed more memory than it may have.
  case outOfMemory = "OUT_OF_MEMORY"
  /// Parameters that the handler cannot use: planner and handler disagree.
  case parametersInvalid = "PARAMETERS_INVALID"
  /// A job type, stage or version this program does not have.
  case jobTypeUnknown = "JOB_TYPE_UNKNOWN"
  /// A defect of this program.
  case `internal` = "INTERNAL"
}

/// The stable reasons of warnings: what was done to the data, or seen in it.
public enum WarningReason: String, Sendable, Codable, CaseIterable {
  /// Features without a geometry, left out or kept as the request says.
  case nullGeometry = "NULL_GEOMETRY"
  /// Features whose geometry has no coordinates, treated like null.
  case emptyGeometry = "EMPTY_GEOMETRY"
  /// Geometries that were made valid.
  case geometryRepaired = "GEOMETRY_REPAIRED"
  /// Geometries of which nothing of their family was left when made valid; treated like null.
  case geometryCollapsed = "GEOMETRY_COLLAPSED"
  /// Geometries that were split at the antimeridian.
  case antimeridianSplit = "ANTIMERIDIAN_SPLIT"
  /// Geometries whose height or measure was dropped.
  case dimensionsDropped = "DIMENSIONS_DROPPED"
  /// Geometries whose curves were drawn as lines.
  case curvesLinearized = "CURVES_LINEARIZED"
  /// Collections and surfaces of which the table's points, lines or polygons were stored.
  case geometryTakenApart = "GEOMETRY_TAKEN_APART"
  /// Columns that got another name.
  case columnsRenamed = "COLUMNS_RENAMED"
  /// Feature ids were not unique; the ordinal took their place.
  case fidReplaced = "FID_REPLACED"
  /// Layers without features, beside others that have some, were left out.
  case layerSkipped = "LAYER_SKIPPED"
  /// Layers without geometries, beside others that have some, are served as tables.
  case noGeometry = "NO_GEOMETRY"
  /// The coordinates carry no reference system and fit EPSG:4326.
  case crsAssumed = "CRS_ASSUMED"
  /// The reference system came from the request alone.
  case crsFromRequest = "CRS_FROM_REQUEST"
  /// A date or time that does not exist was stored as null.
  case dateInvalid = "DATE_INVALID"
  /// The reader's own remark.
  case readerRemark = "READER_REMARK"
  /// Records that could not be stored, within the number of rejects the request allows.
  case recordRejected = "RECORD_REJECTED"
  /// Rows of a table with more or fewer values than its header.
  case rowRagged = "ROW_RAGGED"
  /// At least nine tenths of a raster are nothing.
  case mostlyNodata = "MOSTLY_NODATA"
  /// Files of a collection that cannot be used.
  case fileRejected = "FILE_REJECTED"
  /// Longitudes beyond 180 degrees are counted from the antimeridian.
  case longitudesShifted = "LONGITUDES_SHIFTED"
  /// Pixels that are no number, and not said to be nothing.
  case notANumber = "NOT_A_NUMBER"
}
