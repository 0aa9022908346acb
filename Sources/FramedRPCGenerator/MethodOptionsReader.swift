internal import SwiftProtobuf

/// Reads `(framedrpc.v1.method)` out of a method's options, where protoc leaves it as an unknown field.
enum MethodOptionsReader {
  /// Of the extension in framedrpc/v1/options.proto.
  static let extensionNumber: UInt64 = 51411

  static func read(_ options: Google_Protobuf_MethodOptions, of method: String) throws -> SchemaMethodOptions {
    var result = SchemaMethodOptions()
    for field in try fields(Array(options.unknownFields.data), of: method) where field.number == extensionNumber {
      for option in try fields(field.bytes, of: method) { try apply(option, to: &result, of: method) }
    }
    return result
  }

  private static func apply(_ option: Field, to options: inout SchemaMethodOptions, of method: String) throws {
    switch option.number {
    case 1:
      guard let mode = SchemaMethodOptions.StreamMode(rawValue: Int(option.integer)) else {
        throw GenerationError("\(method): unknown stream mode \(option.integer)")
      }
      options.stream = mode
    case 2: options.key = String(decoding: option.bytes, as: UTF8.self)
    case 3:
      guard let idempotency = SchemaMethodOptions.Idempotency(rawValue: Int(option.integer)) else {
        throw GenerationError("\(method): unknown idempotency \(option.integer)")
      }
      options.idempotency = idempotency
    case 4: options.role = String(decoding: option.bytes, as: UTF8.self)
    case 5: options.defaultTimeoutMilliseconds = UInt32(truncatingIfNeeded: option.integer)
    case 6: options.reasons.append(String(decoding: option.bytes, as: UTF8.self))
    case 7: options.queueSize = UInt32(truncatingIfNeeded: option.integer)
    default: throw GenerationError("\(method): option \(option.number) is newer than this generator")
    }
  }

  private struct Field {
    var number: UInt64
    var integer: UInt64 = 0
    var bytes: [UInt8] = []
  }

  private static func fields(_ bytes: [UInt8], of method: String) throws -> [Field] {
    var rest = bytes[...]
    func varint() throws -> UInt64 {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while let byte = rest.popFirst(), shift < 64 {
        value |= UInt64(byte & 0x7f) << shift
        if byte < 0x80 { return value }
        shift += 7
      }
      throw GenerationError("\(method): its options cannot be read")
    }
    var result: [Field] = []
    while !rest.isEmpty {
      let key = try varint()
      var field = Field(number: key >> 3)
      switch key & 7 {
      case 0: field.integer = try varint()
      case 1: rest = rest.dropFirst(8)
      case 2:
        let length = try varint()
        guard length <= UInt64(rest.count) else { throw GenerationError("\(method): its options cannot be read") }
        field.bytes = Array(rest.prefix(Int(length)))
        rest = rest.dropFirst(Int(length))
      case 5: rest = rest.dropFirst(4)
      default: throw GenerationError("\(method): its options cannot be read")
      }
      result.append(field)
    }
    return result
  }
}
