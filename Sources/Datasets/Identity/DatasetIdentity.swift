/// Names one version of one resource of a dataset, in a namespace. Valid by construction.
public struct DatasetIdentity: Sendable, Hashable, Codable {
  /// `[a-z0-9][a-z0-9-]{0,62}`
  public let namespace: String
  /// `[A-Za-z0-9][A-Za-z0-9._-]*`, at most 255 bytes.
  public let datasetID: String
  /// As `datasetID`.
  public let resourceID: String
  /// As `datasetID`, at most 50 bytes; neither `latest` nor `stable`.
  public let versionID: String

  public static let defaultNamespace = "default"
  /// Version ids kept for aliases.
  public static let reservedVersions: Set<String> = ["latest", "stable"]

  /// Throws `Problem` (`INVALID_ID`, `RESERVED_VERSION`) with the request's field that is wrong.
  public init(namespace: String, datasetID: String, resourceID: String, versionID: String) throws(Problem) {
    let namespace = namespace.isEmpty ? Self.defaultNamespace : namespace
    guard Self.isNamespace(namespace) else {
      throw Problem(
        .invalidID, "namespace '\(namespace.excerpt)' is not [a-z0-9][a-z0-9-]* of at most 63 bytes",
        field: "name.namespace")
    }
    try Self.check(datasetID, limit: 255, field: "name.dataset_id")
    try Self.check(resourceID, limit: 255, field: "name.resource_id")
    try Self.check(versionID, limit: 50, field: "name.version_id")
    guard !Self.reservedVersions.contains(versionID) else {
      throw Problem(.reservedVersion, "version id '\(versionID)' is kept for aliases", field: "name.version_id")
    }
    self.namespace = namespace
    self.datasetID = datasetID
    self.resourceID = resourceID
    self.versionID = versionID
  }

  /// As people write it: `dataset/resource/version`, or `@namespace/…`.
  public var reference: String {
    let scope = namespace == Self.defaultNamespace ? "" : "@\(namespace)/"
    return "\(scope)\(datasetID)/\(resourceID)/\(versionID)"
  }

  /// The data's path below the public URL, without a trailing slash.
  public var path: String { "/api/data/\(reference)" }

  /// Id of the STAC collection: `{namespace}:{dataset}:{resource}`.
  public var stacCollection: String { "\(namespace):\(datasetID):\(resourceID)" }
  /// Id of the STAC collection of a version that has many items.
  public var stacVersionCollection: String { "\(stacCollection):\(versionID)" }
  /// Id of the STAC item: the version.
  public var stacItem: String { versionID }

  private static func isNamespace(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard (1...63).contains(bytes.count), bytes[0] != UInt8(ascii: "-") else { return false }
    return bytes.allSatisfy { $0.isLowercaseLetter || $0.isDigit || $0 == UInt8(ascii: "-") }
  }

  private static func check(_ id: String, limit: Int, field: String) throws(Problem) {
    let bytes = Array(id.utf8)
    guard let first = bytes.first else { throw Problem(.invalidID, "\(field) is empty", field: field) }
    guard bytes.count <= limit else {
      throw Problem(.invalidID, "\(field) has \(bytes.count) bytes; at most \(limit) are allowed", field: field)
    }
    let legal = { (byte: UInt8) in
      byte.isLowercaseLetter || byte.isUppercaseLetter || byte.isDigit || byte == UInt8(ascii: ".")
        || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
    guard first.isLowercaseLetter || first.isUppercaseLetter || first.isDigit, bytes.allSatisfy(legal) else {
      throw Problem(
        .invalidID, "\(field) '\(id.excerpt)' is not [A-Za-z0-9][A-Za-z0-9._-]*", field: field)
    }
  }
}

extension UInt8 {
  var isLowercaseLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
  var isUppercaseLetter: Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }
  var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}

extension String {
  /// At most 60 characters, so that a hostile value cannot fill a message or a log line.
  var excerpt: String { count <= 60 ? self : String(prefix(60)) + "…" }
}
