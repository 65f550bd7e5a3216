"""Units 1 to 3 of a Modbus RTU bus by pymodbus: modbus-server.py PORT [LATE_SHARE LATE_SECONDS]

Holding and input registers hold unit * 1000 + address at first, coils and discrete inputs whether address and unit
have a sum divisible by 3. Addresses from 900 on do not exist. Of all readings the given share is answered late,
those after it later still, as a unit that can do one thing at a time does. Prints "ready".
"""

import asyncio
import random
import sys
import time

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext
from pymodbus.datastore.store import BaseModbusDataBlock
from pymodbus.server import StartAsyncSerialServer
from pymodbus.transaction import ModbusRtuFramer

late_share = float(sys.argv[2]) if len(sys.argv) > 2 else 0
late_seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0


class Block(BaseModbusDataBlock):
    def __init__(self, first):
        self.values = [first(address) for address in range(900)]

    def validate(self, address, count=1):
        return 0 <= address and address + count <= len(self.values)

    def getValues(self, address, count=1):
        if random.random() < late_share:
            time.sleep(late_seconds)
        return self.values[address : address + count]

    def setValues(self, address, values):
        self.values[address : address + len(values)] = values


def unit(number):
    def word(address):
        return number * 1000 + address

    def bit(address):
        return (number + address) % 3 == 0

    return ModbusSlaveContext(
        di=Block(bit), co=Block(bit), hr=Block(word), ir=Block(word), zero_mode=True
    )


async def main():
    context = ModbusServerContext(
        slaves={number: unit(number) for number in (1, 2, 3)}, single=False
    )
    server = await StartAsyncSerialServer(
        context,
        defer_start=True,
        framer=ModbusRtuFramer,
        port=sys.argv[1],
        baudrate=115200,
        broadcast_enable=True,
        ignore_missing_slaves=True,
    )
    await server.start()
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
