import KindsMessages
import ProtobufFacade
import Testing

/// Where protobuf-c and the specification part, and which side this project is on.
@Suite("Differences between protobuf-c and the specification")
struct DifferenceTests {
  @Test("mended: NUL in a string is a character")
  func nulInString() throws {
    let message = Scalars(aString: "a\0b")
    #expect(message.protobufBytes() == Wire.bytes(14, [0x61, 0, 0x62]))
    #expect(try Scalars(protobuf: message.protobufBytes()) == message)
  }

  @Test(
    "mended: invalid UTF-8 is refused in strings, also in maps and oneofs",
    arguments: [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]] as [[UInt8]])
  func invalidUTF8(_ text: [UInt8]) throws {
    func expectRefused<M: ProtobufMessage>(_: M.Type, _ bytes: [UInt8]) {
      let error = #expect(throws: ProtobufDecodingError.self) { try M(protobuf: bytes) }
      #expect(error?.reason == .invalidUTF8)
    }
    expectRefused(Scalars.self, Wire.bytes(14, text))
    expectRefused(Optionals.self, Wire.bytes(14, text))
    expectRefused(Lists.self, Wire.bytes(14, text))
    expectRefused(Choice.self, Wire.bytes(4, text))
    expectRefused(Maps.self, Wire.bytes(1, Wire.bytes(1, text)))
    expectRefused(Maps.self, Wire.bytes(1, Wire.bytes(2, text)))
    // Bytes may hold anything.
    #expect(try Scalars(protobuf: Wire.bytes(15, text)).someBytes == text)
    #expect(try Choice(protobuf: Wire.bytes(5, text)).chosen == .someBytes(text))
    #expect(try Maps(protobuf: Wire.bytes(5, Wire.bytes(2, text))).byteStrings == [0: text])
  }

  @Test("mended: of two entries with the same key the last holds")
  func duplicateKeys() throws {
    let first = Wire.bytes(1, Wire.bytes(1, [0x6b]) + Wire.bytes(2, [0x31]))
    let second = Wire.bytes(1, Wire.bytes(1, [0x6b]) + Wire.bytes(2, [0x32]))
    #expect(try Maps(protobuf: first + second).strings == ["k": "2"])
  }

  @Test("mended: an entry without key, value or both has defaults")
  func entriesInPart() throws {
    #expect(try Maps(protobuf: Wire.bytes(7, Wire.bytes(1, [0x6b]))).inners == ["k": Scalars.Inner()])
    #expect(try Maps(protobuf: Wire.bytes(7, [])).inners == ["": Scalars.Inner()])
    #expect(try Maps(protobuf: Wire.bytes(1, [])).strings == ["": ""])
    #expect(try Maps(protobuf: Wire.bytes(2, [0x10, 5])).numbers == [0: 5])
  }

  @Test("refused: a singular message given twice, which protobuf-c would merge wrongly")
  func messageTwice() {
    let bytes = Wire.bytes(1, [0x18, 1]) + Wire.bytes(1, [0x20, 2])
    #expect(throws: ProtobufDecodingError(reason: .givenTwice, message: "kinds.v1.Kinds", field: 1, offset: 4)) {
      try Kinds(protobuf: bytes)
    }
  }

  @Test("refused: the same member of a oneof given twice")
  func memberTwice() {
    let bytes = Wire.bytes(7, [0x08, 1]) + Wire.bytes(7, [])
    let error = #expect(throws: ProtobufDecodingError.self) { try Choice(protobuf: bytes) }
    #expect(error?.reason == .givenTwice)
  }

  @Test("kept: of two members of a oneof the last holds")
  func twoMembers() throws {
    let bytes = Wire.bytes(4, [0x61]) + Wire.bytes(7, []) + Wire.bytes(10, [0x62])
    #expect(try Choice(protobuf: bytes) == Choice(chosen: .anInner(Scalars.Inner()), second: .right("b")))
    #expect(try Choice(protobuf: Wire.bytes(7, []) + Wire.bytes(4, [0x61])).chosen == .aString("a"))
  }

  @Test("kept: of a scalar given twice the last holds")
  func scalarTwice() throws {
    #expect(try Scalars(protobuf: [0x18, 1, 0x18, 2]).anInt32 == 2)
    #expect(try Optionals(protobuf: [0x18, 1, 0x18, 0]).anInt32 == 0)
    #expect(try Scalars(protobuf: Wire.bytes(14, [0x61]) + Wire.bytes(14, [])).aString == "")
    #expect(
      try Scalars(
        protobuf: Wire.key(1, 1) + [0, 0, 0, 0, 0, 0, 0xf0, 0x3f] + Wire.key(1, 1) + [0, 0, 0, 0, 0, 0, 0, 0]
      ).aDouble == 0)
  }

  @Test("refused: a group, known or unknown")
  func groups() {
    for bytes: [UInt8] in [Wire.key(100, 3) + Wire.key(100, 4), Wire.key(1, 3) + Wire.key(1, 4)] {
      let error = #expect(throws: ProtobufDecodingError.self) { try Kinds(protobuf: bytes) }
      #expect(error?.reason == .group)
    }
  }

  @Test("refused: a known field with another type's wire type")
  func foreignWireType() {
    for bytes: [UInt8] in [Wire.key(1, 0) + [1], Wire.key(1, 5) + [0, 0, 0, 0]] {
      let error = #expect(throws: ProtobufDecodingError.self) { try Kinds(protobuf: bytes) }
      #expect(error?.reason == .foreignWireType)
    }
    let packedSingular = Wire.bytes(3, [1, 2])
    let error = #expect(throws: ProtobufDecodingError.self) { try Scalars(protobuf: packedSingular) }
    #expect(error?.reason == .foreignWireType)
  }

  @Test("dropped: fields this schema does not know")
  func unknownFields() throws {
    let unknown =
      Wire.key(100, 0) + [1] + Wire.bytes(101, [1, 2, 3]) + Wire.key(102, 5) + [1, 2, 3, 4] + Wire.key(103, 1) + [
        1, 2, 3, 4, 5, 6, 7, 8,
      ]
    let message = Scalars(anInt32: 7)
    #expect(try Scalars(protobuf: unknown + message.protobufBytes() + unknown) == message)
  }

  @Test("kept: repeated numbers packed, unpacked and mixed")
  func packing() throws {
    let mixed = Wire.bytes(3, [1, 2]) + Wire.key(3, 0) + [3] + Wire.bytes(3, []) + Wire.bytes(3, [4])
    #expect(try Lists(protobuf: mixed).int32s == [1, 2, 3, 4])
    #expect(try Lists(protobuf: Wire.bytes(2000, [5, 6])).unpacked == [5, 6])
    #expect(try Lists(protobuf: Wire.bytes(13, [1, 0, 0x80, 1])).bools == [true, false, true])
    #expect(try Lists(protobuf: Wire.bytes(9, [1, 0, 0, 0, 2, 0, 0, 0])).fixed32s == [1, 2])
  }

  @Test("kept: longer varints than needed, and numbers cut to their field's width")
  func varints() throws {
    #expect(try Scalars(protobuf: [0x18, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]).anInt32 == 1)
    #expect(try Scalars(protobuf: [0x28, 0x81, 0x80, 0x80, 0x80, 0x10]).aUint32 == 1)
    #expect(try Scalars(protobuf: [0x18] + Array(repeating: 0xff, count: 9) + [0x01]).anInt32 == -1)
  }
}
