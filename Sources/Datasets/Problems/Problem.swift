/// What went wrong, in the one shape used on records, in streams and in answers. Category, fixability and the standing
/// remedy come from `Reason`'s table; a remedy of its own says more where more is known.
public struct Problem: Error, Sendable, Equatable, Codable {
  public var reason: Reason
  /// One sentence a person understands.
  public var message: String
  public var location: Location
  /// Further facts by name: the list of layers, the allowed roots, the limit and the size.
  public var details: [String: String]
  private var ownRemedy: String?

  /// Where in the source or the request; what is not known is nil.
  public struct Location: Sendable, Equatable, Codable {
    public var layer: String?
    public var feature: Int64?
    public var byte: Int64?
    public var field: String?

    public init(layer: String? = nil, feature: Int64? = nil, byte: Int64? = nil, field: String? = nil) {
      self.layer = layer
      self.feature = feature
      self.byte = byte
      self.field = field
    }
  }

  public init(
    _ reason: Reason, _ message: String, field: String? = nil, location: Location? = nil,
    details: [String: String] = [:], remedy: String? = nil
  ) {
    self.reason = reason
    self.message = message
    self.location = location ?? Location(field: field)
    self.details = details
    self.ownRemedy = remedy
  }

  /// What the caller can do about it.
  public var remedy: String { ownRemedy ?? reason.entry.remedy }
  public var category: Category { reason.entry.category }
  public var isUserFixable: Bool { reason.entry.isUserFixable }

  public enum Category: String, Sendable, Codable, CaseIterable {
    case request, source, data, state, resource, system, permission
  }
}
