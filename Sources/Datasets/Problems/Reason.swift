/// A stable name for what can go wrong. Open: a reason this binary does not know (written by a newer one) keeps its name.
public struct Reason: Sendable, Hashable, Codable, CustomStringConvertible {
  public let name: String

  public init(_ name: String) { self.name = name }

  public init(from decoder: any Decoder) throws { name = try decoder.singleValueContainer().decode(String.self) }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(name)
  }

  public var description: String { name }

  /// Its row of the table; an unknown reason is a system problem nobody outside can mend.
  public var entry: ReasonEntry { ReasonTable.byName[name] ?? ReasonTable.unknown }
}

/// What is known of a reason, whatever the occasion.
public struct ReasonEntry: Sendable {
  public let name: String
  public let category: Problem.Category
  public let isUserFixable: Bool
  /// When it is given, in one sentence.
  public let meaning: String
  /// What the caller does about it.
  public let remedy: String
}

extension Reason {
  public static let invalidID = Reason("INVALID_ID")
  public static let reservedVersion = Reason("RESERVED_VERSION")
  public static let invalidArgument = Reason("INVALID_ARGUMENT")
  public static let invalidPageToken = Reason("INVALID_PAGE_TOKEN")
  public static let datasetTypeUnsupported = Reason("DATASET_TYPE_UNSUPPORTED")
  public static let optionUnsupported = Reason("OPTION_UNSUPPORTED")
  public static let sourceSchemeUnsupported = Reason("SOURCE_SCHEME_UNSUPPORTED")
  public static let sourceOutsideRoots = Reason("SOURCE_OUTSIDE_ROOTS")
  public static let requestIDReused = Reason("REQUEST_ID_REUSED")
  public static let datasetNotFound = Reason("DATASET_NOT_FOUND")
  public static let datasetExists = Reason("DATASET_EXISTS")
  public static let datasetDeleted = Reason("DATASET_DELETED")
  public static let illegalMove = Reason("ILLEGAL_MOVE")
  public static let datasetHasDependents = Reason("DATASET_HAS_DEPENDENTS")
  public static let membersNotReady = Reason("MEMBERS_NOT_READY")
  public static let overloaded = Reason("OVERLOADED")
  public static let databaseUnavailable = Reason("DATABASE_UNAVAILABLE")
  public static let diskLow = Reason("DISK_LOW")
  public static let diskFull = Reason("DISK_FULL")
  public static let permissionDenied = Reason("PERMISSION_DENIED")
  public static let verifyFailed = Reason("VERIFY_FAILED")
  public static let cancelled = Reason("CANCELLED")
  public static let internalError = Reason("INTERNAL")
}
