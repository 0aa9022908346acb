/// What a chain is planned for; the operation's parameters, kept as JSON with it.
public struct ChainSubject: Sendable, Equatable, Codable {
  public var identity: DatasetIdentity
  public var spec: DatasetSpec
  /// RFC 3339, UTC: when the operation was asked for; the item's time where the request gives none.
  public var requestedAt: String

  public init(identity: DatasetIdentity, spec: DatasetSpec, requestedAt: String) {
    self.identity = identity
    self.spec = spec
    self.requestedAt = requestedAt
  }

  /// What the dataset is called where it is shown.
  var title: String {
    spec.metadata.title.nonEmpty ?? "\(identity.datasetID) / \(identity.resourceID) \(identity.versionID)"
  }
}

extension String {
  /// Nil where empty.
  var nonEmpty: String? { isEmpty ? nil : self }
}
