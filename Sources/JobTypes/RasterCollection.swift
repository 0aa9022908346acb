/// One file of a collection.
public struct CollectionFile: Codable, Sendable, Equatable {
  /// Its id within the collection: the file's name without its ending, made unique.
  public var id: String
  /// `file:///…`.
  public var source: String
  public var pin: SourcePin

  public init(id: String, source: String, pin: SourcePin) {
    self.id = id
    self.source = source
    self.pin = pin
  }
}

/// Parameters of `validate_rasters`: a task for each file.
public struct ValidateRastersParameters: Codable, Sendable, Equatable {
  public var files: [CollectionFile]
  public var crs: String?

  public init(files: [CollectionFile], crs: String?) {
    self.files = files
    self.crs = crs
  }
}

/// Parameters of one task of `validate_rasters`.
public struct ValidateFileParameters: Codable, Sendable, Equatable {
  public var file: CollectionFile
  public var crs: String?

  public init(file: CollectionFile, crs: String?) {
    self.file = file
    self.crs = crs
  }
}

/// Result of one task of `validate_rasters`: a file that cannot be used does not end the others.
public struct ValidateFileResult: Codable, Sendable, Equatable {
  public var id: String
  /// File name, for messages.
  public var name: String
  public var valid: ValidateRasterResult?
  /// Why it cannot be used.
  public var reason: String?
  public var message: String?

  public init(id: String, name: String, valid: ValidateRasterResult?, reason: String? = nil, message: String? = nil) {
    self.id = id
    self.name = name
    self.valid = valid
    self.reason = reason
    self.message = message
  }
}

/// Parameters of `process_rasters`: a task for each file, whose parameters are the element.
public struct ProcessRastersParameters: Codable, Sendable, Equatable {
  public var files: [ProcessRasterParameters]

  public init(files: [ProcessRasterParameters]) { self.files = files }
}

/// Parameters of `create_mosaic`: one small picture of all scenes, for views from afar.
public struct CreateMosaicParameters: Codable, Sendable, Equatable {
  /// Folder of the served files.
  public var filesRoot: String
  /// Names below that folder, in the order in which scenes lie over each other, the uppermost first.
  public var files: [String]
  public var kind: String
  /// Files that can be read and do not agree with the others: each is a warning. Nil: none.
  public var leftOut: [LeftOutFile]?

  public init(filesRoot: String, files: [String], kind: String, leftOut: [LeftOutFile]? = nil) {
    self.leftOut = leftOut
    self.filesRoot = filesRoot
    self.files = files
    self.kind = kind
  }
}

/// A file of a collection that is not served.
public struct LeftOutFile: Codable, Sendable, Equatable {
  /// File name, for messages.
  public var name: String
  public var why: String

  public init(name: String, why: String) {
    self.name = name
    self.why = why
  }
}

/// Result of `create_mosaic`.
public struct CreateMosaicResult: Codable, Sendable, Equatable {
  /// Pixels across and down of the whole mosaic, at its scenes' resolution.
  public var width: Int
  public var height: Int
  /// Nil: the mosaic is small enough to be drawn from its scenes.
  public var overview: ProcessRasterResult?

  public init(width: Int, height: Int, overview: ProcessRasterResult?) {
    self.width = width
    self.height = height
    self.overview = overview
  }
}

/// A scene to be catalogued.
public struct CatalogScene: Codable, Sendable, Equatable {
  public var id: String
  public var file: ProcessRasterResult
  public var sourceSHA256: String
  public var sourceCRS: String
  /// Of a mosaic over datasets: the STAC item its dataset has of it, which it keeps all of but where it is found.
  public var item: String?

  public init(id: String, file: ProcessRasterResult, sourceSHA256: String, sourceCRS: String, item: String? = nil) {
    self.item = item
    self.id = id
    self.file = file
    self.sourceSHA256 = sourceSHA256
    self.sourceCRS = sourceCRS
  }
}

/// Parameters of `stac_catalog_collection`.
public struct StacCatalogCollectionParameters: Codable, Sendable, Equatable {
  /// What all items have in common; `file` is the first scene's.
  public var common: StacCatalogRasterParameters
  public var scenes: [CatalogScene]
  /// Box around all scenes.
  public var bbox: [Double]

  public init(common: StacCatalogRasterParameters, scenes: [CatalogScene], bbox: [Double]) {
    self.common = common
    self.scenes = scenes
    self.bbox = bbox
  }
}

/// Result of `stac_catalog_collection`: STAC 1.1 documents as JSON text.
public struct StacCollectionResult: Codable, Sendable, Equatable {
  public var collection: String
  public var items: [String]

  public init(collection: String, items: [String]) {
    self.collection = collection
    self.items = items
  }
}
