public import TerraneMessages

/// What a delete would do, for `delete --dry-run`.
public struct DryRunReport: Sendable {
  /// The dataset, as the user named it.
  public var name: String
  /// Whether the purge was asked for too.
  public var purge: Bool

  public init(name: String, purge: Bool) {
    self.name = name
    self.purge = purge
  }

  public func text(_ answer: DeleteDatasetResponse) -> String {
    let things = Quantity.count(Int64(answer.artifacts.count), "thing")
    var lines = ["Nothing was changed. A purge of \(name) would remove \(things):"]
    for artifact in answer.artifacts {
      let size = artifact.bytes.map { "  " + Quantity.bytes($0) } ?? ""
      lines.append("  \(artifact.kind)  \(artifact.identifier)\(size)")
    }
    if !answer.dependents.isEmpty {
      lines.append(
        purge
          ? "Made of it, and to be purged before it is; --force does not change that:"
          : "Made of it, and to be deleted before it is (or --force), to be purged before it is purged:")
      lines += answer.dependents.map { "  \(DatasetReference($0, key: ""))" }
    }
    return lines.map { TerminalText.sanitised($0) + "\n" }.joined()
  }
}
