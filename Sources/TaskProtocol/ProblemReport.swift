/// Why a task failed, as its child process tells it. `reason` is the stable word programs act on, `message` is for people.
public struct ProblemReport: Codable, Sendable, Equatable, Error {
  /// Stable, upper-case reason, for instance `CRS_MISSING`. The list for dataset tasks is `JobTypes.Reason`.
  public var reason: String
  /// One or two sentences a person understands. Carries no secrets.
  public var message: String
  /// True when the same attempt may succeed later without anybody changing anything.
  public var transient: Bool
  /// Layer of the source the problem lies in.
  public var layer: String?
  /// Feature id (the source's FID) the problem lies in.
  public var feature: Int64?
  /// Byte offset in the source file.
  public var byte: Int64?
  /// Field (source column name) the problem lies in.
  public var field: String?
  /// Further named facts, for instance `layers` → a comma separated list. Values are plain text.
  public var details: [String: String]

  public init(
    reason: String, message: String, transient: Bool = false, layer: String? = nil, feature: Int64? = nil,
    byte: Int64? = nil, field: String? = nil, details: [String: String] = [:]
  ) {
    self.reason = reason
    self.message = message
    self.transient = transient
    self.layer = layer
    self.feature = feature
    self.byte = byte
    self.field = field
    self.details = details
  }

  enum CodingKeys: String, CodingKey {
    case reason, message, transient, layer, feature, byte, field, details
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    reason = try values.decode(String.self, forKey: .reason)
    message = try values.decodeIfPresent(String.self, forKey: .message) ?? ""
    transient = try values.decodeIfPresent(Bool.self, forKey: .transient) ?? false
    layer = try values.decodeIfPresent(String.self, forKey: .layer)
    feature = try values.decodeIfPresent(Int64.self, forKey: .feature)
    byte = try values.decodeIfPresent(Int64.self, forKey: .byte)
    field = try values.decodeIfPresent(String.self, forKey: .field)
    details = try values.decodeIfPresent([String: String].self, forKey: .details) ?? [:]
  }

  /// The problem as one JSON object, keys sorted.
  public func json() throws(TaskProtocolError) -> String { try JSONText.encode(self) }

  /// Reads what `json()` wrote.
  public init(json: String) throws(TaskProtocolError) { self = try JSONText.decode(ProblemReport.self, from: json) }
}
