internal import Foundation

/// The domain's values as JSON text, the way rows keep them.
enum JSON {
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  static func decode<T: Decodable>(_ type: T.Type, from text: String) throws -> T {
    try JSONDecoder().decode(type, from: Data(text.utf8))
  }

  /// `text` laid over `defaults`, object by object: a member that an older version did not write takes its default. (An
  /// optional member's default is nil.)
  static func decode<T: Codable>(_ type: T.Type, from text: String, defaults: @autoclosure () -> T) throws -> T {
    // Nearly every row was written by this version and lacks nothing; laying over costs ten times as much.
    do { return try decode(type, from: text) } catch DecodingError.keyNotFound {}
    guard
      let given = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
      let base = try JSONSerialization.jsonObject(with: JSONEncoder().encode(defaults())) as? [String: Any]
    else { return try decode(type, from: text) }
    return try JSONDecoder().decode(type, from: JSONSerialization.data(withJSONObject: overlay(given, on: base)))
  }

  private static func overlay(_ given: [String: Any], on base: [String: Any]) -> [String: Any] {
    base.merging(given) { old, new in
      if let old = old as? [String: Any], let new = new as? [String: Any] { return overlay(new, on: old) }
      return new
    }
  }
}

extension DatasetSpec {
  /// The spec as rows keep it.
  public func storedJSON() throws -> String { try JSON.text(self) }

  /// Reads a row's spec; members it lacks take their defaults.
  public init(storedJSON: String) throws {
    self = try JSON.decode(
      DatasetSpec.self, from: storedJSON,
      defaults: DatasetSpec(
        type: .vector, source: VectorSource(url: ""), metadata: Metadata(), options: VectorOptions()))
  }
}
