"""
URI COUNT: copies of the accounts in a MongoDB-wire server, as filling.accounts_copy() wants them. A program of its own
because pymongo is in build/venv.
"""
import random
import sys

import pymongo

from filling import address, new_id

AT_A_TIME = 1000


def main(uri, count):
    users, chance = pymongo.MongoClient(uri).get_default_database().users, random.Random(1)
    models = list(users.find())
    for begin in range(0, count, AT_A_TIME):
        users.insert_many([{**chance.choice(models), "_id": new_id(chance), "email": address(number)}
                           for number in range(begin, min(begin + AT_A_TIME, count))], ordered=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
