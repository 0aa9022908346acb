// Placeholder until the generated messages land: delete with them.
public struct DecodingLimits: Sendable { public init() {} }
public struct ProtobufDecodingError: Error {}
public protocol ProtobufMessage: Sendable, Equatable {
  static var protobufName: String { get }
  init()
  init(protobuf bytes: UnsafeRawBufferPointer, limits: DecodingLimits) throws(ProtobufDecodingError)
  func protobufBytes() -> [UInt8]
}
