/// How the command line names a dataset: `id/resource/version`, `@namespace/id/resource/version`, a key of 64 hex digits, or
/// a dataset's URL pasted from a browser.
public enum DatasetReference: Sendable, Equatable, CustomStringConvertible {
  case key(String)
  case name(namespace: String, dataset: String, resource: String, version: String)

  /// - Parameter namespace: used where the text names none; empty means the server's `default`.
  public init(_ text: String, namespace: String = "") throws(CommandLineError) {
    if text.utf8.count == 64, text.utf8.allSatisfy(Self.isHexDigit) {
      self = .key(text.lowercased())
      return
    }
    var parts = Self.withoutURL(text).split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    var own = namespace
    if let first = parts.first, first.hasPrefix("@") {
      own = String(first.dropFirst())
      parts.removeFirst()
      guard namespace.isEmpty || namespace == own else {
        throw Self.refused(text, "names namespace \(own), and --namespace says \(namespace)")
      }
      guard !own.isEmpty else { throw Self.refused(text, "has an empty namespace") }
    }
    guard parts.count == 3 else {
      throw Self.refused(text, parts.count < 3 ? "has too few parts" : "has too many parts")
    }
    guard !parts.contains(where: \.isEmpty) else { throw Self.refused(text, "has an empty part") }
    self = .name(namespace: own, dataset: parts[0], resource: parts[1], version: parts[2])
  }

  /// As it is given again on the command line.
  public var description: String {
    switch self {
    case .key(let key): key
    case .name(let namespace, let dataset, let resource, let version):
      (namespace.isEmpty || namespace == "default" ? "" : "@\(namespace)/") + "\(dataset)/\(resource)/\(version)"
    }
  }

  private static func withoutURL(_ text: String) -> String {
    let marker = "/api/data/"
    guard text.hasPrefix("http://") || text.hasPrefix("https://"), let found = text.firstRange(of: marker) else {
      return text
    }
    let parts = text[found.upperBound...].split(separator: "/")
    return parts.prefix(parts.first?.hasPrefix("@") == true ? 4 : 3).joined(separator: "/")
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool { Unicode.Scalar(byte).properties.isASCIIHexDigit }

  private static func refused(_ text: String, _ why: String) -> CommandLineError {
    CommandLineError(
      .badRequest, "INVALID_ID", "\"\(TerminalText.sanitised(text))\" \(why).",
      remedy: "Name a dataset as ID/RESOURCE/VERSION, @NAMESPACE/ID/RESOURCE/VERSION, or by its key of 64 hex digits.")
  }
}
