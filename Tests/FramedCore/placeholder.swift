import FramedCore
