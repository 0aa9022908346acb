/// A message as a Swift value. Generated; the C structs behind it do not show.
///
/// Fields that this version of the schema does not know are dropped on decoding.
public protocol ProtobufMessage: Sendable, Equatable {
  /// The full name: `terrane.v1.Dataset`.
  static var protobufName: String { get }

  /// All fields at their defaults.
  init()

  /// Decodes a message from anywhere: the bytes are checked before anything is built from them.
  init(protobuf bytes: UnsafeRawBufferPointer, limits: DecodingLimits) throws(ProtobufDecodingError)

  /// The canonical encoding: fields by number, entries of maps by key. Equal messages have equal bytes.
  func protobufBytes() -> [UInt8]

  /// Writes the canonical encoding into memory of the caller's. `reserve` is called once, with the exact size, and returns at
  /// least that much memory, which must stay valid until this function returns.
  func encodeProtobuf(into reserve: (_ size: Int) -> UnsafeMutableRawBufferPointer)

  /// The message in the project's JSON mapping: the schema's field names, enums as lower-case words, 64-bit integers as
  /// numbers, bytes as hex; scalars also at their defaults, absent messages and optional scalars left out.
  func jsonObject() -> JSONValue
}

extension ProtobufMessage {
  /// Decodes a message from an array.
  public init(protobuf bytes: [UInt8], limits: DecodingLimits = .default) throws(ProtobufDecodingError) {
    let decoded: Result<Self, ProtobufDecodingError> = bytes.withUnsafeBytes { buffer in
      do throws(ProtobufDecodingError) {
        return .success(try Self(protobuf: buffer, limits: limits))
      } catch {
        return .failure(error)
      }
    }
    self = try decoded.get()
  }
}

/// An enum of a schema. Numbers the schema does not name are kept.
public protocol ProtobufEnum: Sendable, Hashable {
  init(rawValue: Int32)
  /// The number on the wire.
  var rawValue: Int32 { get }
  /// The lower-case word in JSON; nil for a number the schema does not name.
  var jsonName: String? { get }
  /// The cases the schema names, in its order.
  static var knownCases: [Self] { get }
}

extension ProtobufEnum {
  /// The case that JSON and the command line call so.
  public init?(jsonName: String) {
    guard let found = Self.knownCases.first(where: { $0.jsonName == jsonName }) else { return nil }
    self = found
  }
}
