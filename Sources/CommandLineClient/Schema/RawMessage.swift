public import ProtobufFacade

/// A message in its protobuf form, of a type this program does not know.
public struct RawMessage: ProtobufMessage {
  public var bytes: [UInt8]

  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  public static var protobufName: String { "" }
  public init() { bytes = [] }
  public init(protobuf bytes: UnsafeRawBufferPointer, limits: DecodingLimits) throws(ProtobufDecodingError) {
    self.bytes = Array(bytes)
  }
  public func protobufBytes() -> [UInt8] { bytes }
  public func encodeProtobuf(into reserve: (_ size: Int) -> UnsafeMutableRawBufferPointer) {
    reserve(bytes.count).copyBytes(from: bytes)
  }
  public func jsonObject() -> JSONValue { JSONValue(bytes) }
}
