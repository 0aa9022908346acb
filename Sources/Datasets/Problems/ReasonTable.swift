/// Every reason Terrane gives, in one table: docs/errors.md, the CLI's text and the wire's status codes come from it.
public enum ReasonTable {
  public static let byName: [String: ReasonEntry] = Dictionary(
    uniqueKeysWithValues: entries.map { ($0.name, $0) })

  /// Stands in for a reason this binary does not know.
  public static let unknown = ReasonEntry(
    name: "UNKNOWN", category: .system, isUserFixable: false, meaning: "A reason this version does not know.",
    remedy: "Look it up in the errors page of the server's version.")

  public static let entries: [ReasonEntry] = request + source + data + state + resource + system

  private static func fixable(
    _ name: String, _ category: Problem.Category, _ meaning: String, _ remedy: String
  ) -> ReasonEntry {
    ReasonEntry(name: name, category: category, isUserFixable: true, meaning: meaning, remedy: remedy)
  }

  private static func notFixable(
    _ name: String, _ category: Problem.Category, _ meaning: String, _ remedy: String
  ) -> ReasonEntry {
    ReasonEntry(name: name, category: category, isUserFixable: false, meaning: meaning, remedy: remedy)
  }

  private static let request: [ReasonEntry] = [
    fixable(
      "INVALID_ID", .request, "An id or key breaks the rules for its kind.",
      "Use letters, digits, '.', '_' and '-', beginning with a letter or digit."),
    fixable(
      "RESERVED_VERSION", .request, "The version id is `latest` or `stable`.",
      "Choose another version id; these two are kept for aliases."),
    fixable("INVALID_ARGUMENT", .request, "A field of the request is wrong.", "Mend the field that is named."),
    fixable(
      "INVALID_PAGE_TOKEN", .request, "The page token is not one this server gave for this request.",
      "Begin again without a token."),
    fixable(
      "DATASET_TYPE_UNSUPPORTED", .request, "The dataset type cannot be asked for.",
      "Ask for type `vector`, `raster`, `raster_collection` or `mosaic`."),
    fixable("OPTION_UNSUPPORTED", .request, "The option is not built yet.", "Leave the option out."),
    fixable(
      "REQUEST_ID_REUSED", .request, "The request id was used before for another body.",
      "Draw a new request id for each new request."),
    fixable(
      "TOO_MANY_LAYERS", .request, "The source has more layers than one dataset may hold.",
      "Name the layer that is wanted (--layer)."),
    fixable(
      "CRS_INVALID", .request, "The CRS of the request is not one PROJ knows.", "Give it as EPSG:code, WKT or PROJJSON."
    ),
    fixable(
      "OPTION_UNSUITABLE", .request, "An option does not suit the data.",
      "Leave the option out, or choose another value; what suits the data is chosen where it is left out."),
    fixable(
      "LAYER_NOT_FOUND", .request, "The source has no layer of that name.",
      "Choose one of the layers listed in the details."),
    fixable(
      "LAYER_AMBIGUOUS", .request, "Several layers of the source have one name.",
      "Rename them in the source, or name another of the layers listed in the details (--layer)."),
  ]

  private static let source: [ReasonEntry] = [
    fixable(
      "SOURCE_NOT_FOUND", .source, "Nothing is there.", "Check the path; it is looked up on the server's machine."),
    fixable(
      "SOURCE_UNREADABLE", .source, "The server's user may not read the source.",
      "Let the user that is named read the file and enter its folders (chmod, setfacl), or move it."),
    fixable(
      "SOURCE_OUTSIDE_ROOTS", .source, "The path is not under an allowed root.",
      "Move the file under one of the roots in the details, or start the server with another --root (make serve ROOT=DIR)."
    ),
    fixable(
      "SOURCE_SCHEME_UNSUPPORTED", .source, "Sources of this scheme cannot be read.",
      "Use a file:// URL with an absolute path."),
    fixable(
      "SOURCE_CHANGED", .source, "The source changed while it was read.", "Retry once nobody writes to it."),
    fixable(
      "SOURCE_CHANGED_SINCE", .source,
      "A create found its dataset served, and its source is no longer what it was made of. Not an error: the older data is served on.",
      "Build it anew with `terrane reprocess`, if it should follow."),
    fixable(
      "FORMAT_UNSUPPORTED", .source, "No allowed driver can read the source.",
      "Convert it: vectors to GeoPackage or FlatGeobuf, rasters to GeoTIFF; what is read is in the message."),
    fixable(
      "FORMAT_REFUSED", .source, "The format is refused: it can point at other files or hosts.",
      "Give the data itself rather than a file that refers to it."),
    fixable("SOURCE_INVALID", .source, "The source's address is no valid URL.", "Give it as file:///path/to/file."),
    fixable(
      "SOURCE_INCOMPLETE", .source, "A part of the source is missing.",
      "Put the part that is named beside the file (a shapefile is .shp, .shx and .dbf)."),
    fixable(
      "SOURCE_TOO_LARGE", .source, "The source is larger than its format's reader can hold in memory.",
      "Convert it to GeoPackage or FlatGeobuf, or split it."),
    fixable("SOURCE_IN_USE", .source, "Another program is writing to the source.", "Close that program, then retry."),
    fixable(
      "ARCHIVE_REFUSED", .source, "The archive is unsafe to unpack.",
      "Zip one dataset again, without paths or passwords."),
    fixable("ARCHIVE_AMBIGUOUS", .source, "The archive does not hold exactly one dataset.", "Zip one dataset."),
  ]

  private static let data: [ReasonEntry] = [
    fixable("SOURCE_EMPTY", .data, "The file has no bytes.", "Write the file again."),
    fixable("NO_FEATURES", .data, "The layer has no features.", "Choose another layer, or a source with features."),
    fixable("SOURCE_CORRUPT", .data, "The source is damaged or not what its name says.", "Repair or export it again."),
    fixable("SOURCE_TRUNCATED", .data, "The source ends before its data does.", "Copy or export it again, whole."),
    fixable("READ_ERROR", .data, "A record of the source could not be read.", "Repair or export the source again."),
    fixable("CRS_MISSING", .data, "Neither source nor request names a CRS.", "Ask again with `crs` (--crs EPSG:…)."),
    fixable(
      "CRS_CONFLICT", .data, "Source and request name different CRSs.", "Leave `crs` out, or mend the source's CRS."),
    fixable(
      "COORDINATES_OUT_OF_RANGE", .data, "Coordinates lie outside what the CRS can hold.",
      "Check the CRS and the order of the axes."),
    fixable(
      "MIXED_GEOMETRY", .data, "A geometry is of another kind than its layer declares.",
      "Mend the layer's declared type (ogr2ogr -nlt GEOMETRY), or the feature."),
    fixable(
      "NO_GEOMETRY", .data, "No layer of the source has geometries.",
      "Name the columns that hold coordinates (those that could are in the details)."),
    fixable(
      "NULL_GEOMETRY_REFUSED", .data, "A feature has no geometry and the request forbids that.",
      "Ask for null_geometry=DROP, or mend the source."),
    fixable(
      "COORDINATES_INVALID", .data, "A row's coordinates or WKT are no geometry.",
      "Mend the row that is named, or name the right columns."),
    fixable("TOO_MANY_COLUMNS", .data, "The layer has over 1,500 columns.", "Leave columns out."),
    fixable(
      "ENCODING_ERROR", .data, "Text is not in the encoding stated.", "Give `encoding`, or convert the source to UTF-8."
    ),
    fixable(
      "GEOMETRY_UNSUPPORTED", .data, "A geometry is of a kind that cannot be stored.",
      "Convert it to points, lines or polygons."),
    fixable("GEOMETRY_TOO_LARGE", .data, "One geometry is over the limit.", "Split or simplify it."),
    fixable(
      "RASTER_TOO_LARGE", .data, "The raster would have more tiles than one dataset may have (1,000 of 8,192 pixels).",
      "Ask for a coarser `resolution`, or make several datasets and a mosaic of them."),
    fixable(
      "TOO_MANY_BANDS", .data, "The raster has more bands than one may have.",
      "Write the bands that are wanted into a file of their own (gdal_translate -b)."),
    fixable(
      "PIXEL_TYPE_UNSUPPORTED", .data, "The raster's pixels are of a type that cannot be shown.",
      "Convert it, for instance with gdal_translate -ot Float32."),
    fixable(
      "NOT_GEOREFERENCED", .data, "The raster does not say where its pixels lie.",
      "Give it corners (gdal_translate -a_ullr), or warp it by its control points (gdalwarp)."),
    fixable(
      "TOO_MANY_FILES", .data, "There are more files, or more is to be told of them, than one dataset may have.",
      "Narrow the pattern, or make several datasets."),
    fixable(
      "FILES_REJECTED", .data, "Files of the collection cannot be used; which and why is in the details.",
      "Mend or leave out the files that are named, or ask with `policy` TOLERANT (--tolerant)."),
    fixable(
      "COLLECTION_MISMATCH", .data,
      "Files of the collection do not agree in bands, types, reference system or resolution (±20 %).",
      "Make a collection of those that agree; the others are named in the details."),
    fixable(
      "RASTER_EMPTY", .data, "At least 99 % of the raster's pixels are nothing.",
      "Check the source, and the value it says stands for nothing (gdalinfo)."),
    notFixable(
      "COUNT_MISMATCH", .data, "Source, table or service count different numbers of features.",
      "Report it with the log."),
    notFixable(
      "VERIFY_FAILED", .data, "The data API did not serve what was loaded.",
      "Retry; report it with the log if it stays."),
  ]

  private static let state: [ReasonEntry] = [
    fixable(
      "DATASET_NOT_FOUND", .state, "There is no such dataset.", "Check the name; `terrane list` shows what there is."),
    fixable(
      "DATASET_EXISTS", .state, "The dataset exists with another request; the fields that differ are in the details.",
      "Choose another version id, or delete and purge the one that is there."),
    fixable(
      "DATASET_DELETED", .state, "The dataset is deleted.", "Bring it back (undelete), or purge it and create it anew."),
    fixable("ILLEGAL_MOVE", .state, "The dataset's state forbids this.", "See the legal moves in the details."),
    fixable(
      "DATASET_HAS_DEPENDENTS", .state, "Mosaics are made of this dataset; they are in the details.",
      "Purge those first; or delete with `force` (--force), which withdraws it and leaves them its files."
    ),
    fixable(
      "MEMBERS_NOT_READY", .state, "Datasets that the mosaic is to be made of are not served, or no rasters.",
      "Leave out those that cannot be used; wait for those that are not READY yet. Which is which is in the details."),
    notFixable("CANCELLED", .state, "The operation was cancelled.", "Retry it if that was not meant."),
    fixable("NO_INPUT", .data, "A step found nothing to work on.", "Check that the source holds what was asked for."),
  ]

  private static let resource: [ReasonEntry] = [
    notFixable(
      "OVERLOADED", .resource, "More requests wait than the server holds.", "Try again after the delay given."),
    notFixable("DISK_LOW", .resource, "Too little disk is free to begin.", "Free disk space on the server."),
    notFixable("DISK_FULL", .resource, "The disk ran full.", "Free disk space on the server, then retry."),
    notFixable(
      "OUT_OF_MEMORY", .resource, "A step needed more memory than it may use.", "Split the source, or raise the limit."),
    notFixable(
      "TASK_TIME_LIMIT", .resource, "A step took longer than it may.", "Retry; split the source if it happens again."),
    notFixable(
      "TASK_SILENT", .system, "A step's process reported nothing for too long.",
      "Retry; report the source if it happens again."),
    notFixable(
      "CRASH_LOOP", .system, "A step's process died again and again.", "Report the source: it crashes its reader."),
    notFixable("TASK_CRASHED", .system, "A step's process died.", "Retry; report the source if it happens again."),
  ]

  private static let system: [ReasonEntry] = [
    notFixable(
      "TASK_PROTOCOL", .system, "A step's process broke the protocol with its supervisor.",
      "Run server and workers of one version; report it with the log if it stays."),
    notFixable(
      "TOO_MANY_TASKS", .resource, "A step would need more tasks than one step may have.", "Split the source."),
    notFixable(
      "DATABASE_ERROR", .system, "The database refused a statement.", "Retry; report it with the log if it stays."),
    notFixable("DATABASE_UNAVAILABLE", .system, "The database does not answer.", "Try again shortly."),
    notFixable("DATA_API_UNAVAILABLE", .system, "The data API does not answer.", "Try again shortly."),
    notFixable(
      "PARAMETERS_INVALID", .system, "Planner and worker disagree about a step's parameters.",
      "Run server and workers of one version."),
    notFixable(
      "JOB_TYPE_UNKNOWN", .system, "A worker has no handler for a step.", "Run server and workers of one version."),
    notFixable(
      "PERMISSION_DENIED", .permission, "The caller's roles do not allow this call.",
      "Ask for credentials with the role that is named."),
    notFixable("INTERNAL", .system, "A defect of the server.", "Report it with the request id."),
  ]
}
