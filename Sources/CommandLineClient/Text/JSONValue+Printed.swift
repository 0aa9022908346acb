public import ProtobufFacade

extension JSONValue {
  /// As commands print an answer of the server: fields of type uint64 are strings, as in protobuf's own mapping. They use all 64
  /// bits (`epoch` does), and most readers of JSON keep 53 of a number. The int64s stay numbers: counts, sizes and ids end far below.
  public var printed: JSONValue {
    switch self {
    case .unsigned(let value): .string(String(value))
    case .array(let elements): .array(elements.map(\.printed))
    case .object(let members): .object(members.map { .init($0.name, $0.value.printed) })
    case .null, .bool, .integer, .number, .string: self
    }
  }
}
