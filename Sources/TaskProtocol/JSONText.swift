#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// JSON in and out of text for the task protocol and for parameters and results kept as JSON in the database.
public enum JSONText {
  /// `value` as compact JSON, keys sorted, slashes left alone.
  public static func encode(_ value: some Encodable) throws(TaskProtocolError) -> String {
    String(decoding: try encodeBytes(value), as: UTF8.self)
  }

  /// Reads a value from JSON text.
  public static func decode<T: Decodable>(_ type: T.Type, from text: String) throws(TaskProtocolError) -> T {
    try decode(type, fromBytes: Array(text.utf8))
  }

  static func encodeBytes(_ value: some Encodable) throws(TaskProtocolError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { return Array(try encoder.encode(value)) } catch { throw .notEncodable("\(error)") }
  }

  static func decode<T: Decodable>(_ type: T.Type, fromBytes bytes: [UInt8]) throws(TaskProtocolError) -> T {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch { throw .malformed("\(error)") }
  }
}
